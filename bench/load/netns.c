// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/load.h"

static int enter(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static int bound_socket(const struct tp_ip *ip, uint16_t port)
{
	struct tp_addr address = {.ip = *ip, .port = port};
	struct sockaddr_storage sa;
	socklen_t len = (socklen_t)tp_addr_to_sockaddr(&address, &sa);
	int sock = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	// Room for half a second of scheduling trouble: the relay is measured, not this process.
	int bytes = 8 << 20;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (bind(sock, (struct sockaddr *)&sa, len) < 0) {
		int rc = -errno;
		close(sock);
		return rc;
	}
	return sock;
}

int load_enter(const char *name_space, int *home)
{
	char path[128];
	int rc;

	*home = -1;
	if (!name_space)
		return 0;
	*home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (*home < 0)
		return -errno;
	snprintf(path, sizeof(path), "/run/netns/%s", name_space);
	rc = enter(path);
	if (rc) {
		close(*home);
		*home = -1;
	}
	return rc;
}

int load_return(int home)
{
	int rc;

	if (home < 0)
		return 0;
	rc = setns(home, CLONE_NEWNET) < 0 ? -errno : 0;
	close(home);
	return rc;
}

int load_socket(const char *name_space, const struct tp_ip *ip, uint16_t port)
{
	int home, rc = load_enter(name_space, &home), sock;

	if (rc)
		return rc;
	sock = bound_socket(ip, port);
	rc = load_return(home);
	if (rc == 0 || sock < 0)
		return rc ? rc : sock;
	close(sock);
	return rc;
}
