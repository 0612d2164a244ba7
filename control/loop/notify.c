// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void ctl_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t length = path ? strlen(path) : 0;
	ssize_t ignored;
	int fd;

	if (length == 0 || length >= sizeof(sa.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sa.sun_path, path, length);
	if (path[0] == '@')
		sa.sun_path[0] = '\0'; // the abstract namespace
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	ignored = sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
		(struct sockaddr *)&sa,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	(void)ignored;
	close(fd);
}
