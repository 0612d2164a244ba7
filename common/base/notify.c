// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
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

// The descriptor travels beside the text.
static ssize_t send_state(int sock, const struct sockaddr_un *to, socklen_t to_bytes,
	const char *state, int fd, int flags)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct sockaddr_un address = *to;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)state, .iov_len = strlen(state)};
	struct msghdr msg = {
		.msg_name = &address, .msg_namelen = to_bytes, .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	do
		n = sendmsg(sock, &msg, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n;
}

int tp_notify_descriptor(const char *state, int fd, unsigned int timeout_ms)
{
	const struct timeval timeout = {
		.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	struct sockaddr_un address;
	socklen_t bytes = notify_address(&address);
	int sock, rc = 0;

	if (bytes == 0)
		return -ENOTCONN;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (send_state(sock, &address, bytes, state, fd, timeout_ms ? 0 : MSG_DONTWAIT) < 0)
		rc = -errno;
	close(sock);
	return rc;
}

void tp_notify_service_manager(const char *state)
{
	tp_notify_descriptor(state, -1, 0);
}

void tp_notify_watchdog(void)
{
	if (getenv("WATCHDOG_USEC"))
		tp_notify_service_manager("WATCHDOG=1");
}

bool tp_notify_file(struct stat *out)
{
	const char *name = getenv("NOTIFY_SOCKET");

	return name && name[0] == '/' && stat(name, out) == 0;
}
