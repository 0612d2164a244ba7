// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/stream/streams.h"

static int bound(const struct tp_ip *address, int type)
{
	struct tp_addr any_port = {.ip = *address};
	struct sockaddr_storage sa;
	socklen_t length = (socklen_t)tp_addr_to_sockaddr(&any_port, &sa);
	int sock = socket(sa.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1,
	    bytes = 8 << 20;

	if (sock < 0)
		return -errno;
	if (type == SOCK_DGRAM) {
		// The server is measured, not how soon this process reads.
		setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
		setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	} else {
		setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		// The port comes with the connection, so one that rests may be taken again.
		setsockopt(sock, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	}
	if (bind(sock, (struct sockaddr *)&sa, length) < 0) {
		int rc = -errno;
		close(sock);
		return rc;
	}
	return sock;
}

int streams_socket(const char *name_space, const struct tp_ip *address, int type)
{
	char path[128];
	int home, there, rc;

	if (!name_space)
		return bound(address, type);
	snprintf(path, sizeof(path), "/run/netns/%s", name_space);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(path, O_RDONLY | O_CLOEXEC);
	rc = home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0 ? -errno : 0;
	if (rc == 0) {
		rc = bound(address, type);
		if (setns(home, CLONE_NEWNET) < 0)
			rc = -errno;
	}
	if (home >= 0)
		close(home);
	if (there >= 0)
		close(there);
	return rc;
}
