// SPDX-License-Identifier: BSD-3-Clause
// The AF_XDP sockets that net_af_xdp opens and shows nobody: one for each queue.
#pragma once

#include <stdint.h>

#include <linux/if_xdp.h>

#define DP_XSK_MAX 256

struct dp_xsk_list {
	int fd[DP_XSK_MAX];
	uint32_t n;
};

// All AF_XDP sockets of this process. 0 or -errno.
int dp_xsk_list(struct dp_xsk_list *out);
// The one socket that `after` has and `before` has not; -1 when there is none or more than one.
int dp_xsk_new(const struct dp_xsk_list *before, const struct dp_xsk_list *after);
// 0 or -errno.
int dp_xsk_statistics(int fd, struct xdp_statistics *out);
