// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Length of the address, 0 when the variable is unset or names no Unix socket.
static socklen_t notify_address(struct sockaddr_un *out)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length = name ? strlen(name) : 0;

	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	if (length < 2 || length >= sizeof(out->sun_path))
		return 0;
	memcpy(out->sun_path, name, length);
	if (name[0] == '@') // abstract: no file, the name starts with a NUL
		out->sun_path[0] = '\0';
	else if (name[0] != '/')
		return 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void tp_notify_service_manager(const char *state)
{
	struct sockaddr_un address;
	socklen_t bytes = notify_address(&address);
	int fd = bytes ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return;
	ssize_t ignored = sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)&address, bytes);
	(void)ignored;
	close(fd);
}
