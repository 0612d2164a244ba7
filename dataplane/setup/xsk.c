// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/xsk.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/setup/own_fds.h"

static bool xsk_collect(int fd, const char *target, void *arg)
{
	struct dp_xsk_list *list = arg;
	int domain = 0;
	socklen_t len = sizeof(domain);

	if (strncmp(target, "socket:", 7) == 0 && list->n < DP_XSK_MAX &&
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_XDP)
		list->fd[list->n++] = fd;
	return true;
}

int dp_xsk_list(struct dp_xsk_list *out)
{
	out->n = 0;
	return dp_own_fds_walk(xsk_collect, out);
}

static bool xsk_has(const struct dp_xsk_list *list, int fd)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->fd[i] == fd)
			return true;
	return false;
}

int dp_xsk_new(const struct dp_xsk_list *before, const struct dp_xsk_list *after)
{
	int found = -1;

	for (uint32_t i = 0; i < after->n; i++) {
		if (xsk_has(before, after->fd[i]))
			continue;
		if (found >= 0)
			return -1;
		found = after->fd[i];
	}
	return found;
}

int dp_xsk_statistics(int fd, struct xdp_statistics *out)
{
	socklen_t len = sizeof(*out);

	memset(out, 0, sizeof(*out));
	return getsockopt(fd, SOL_XDP, XDP_STATISTICS, out, &len) < 0 ? -errno : 0;
}
