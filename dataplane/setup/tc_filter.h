// SPDX-License-Identifier: BSD-3-Clause
// The filters at a tc hook (clsact ingress or egress), asked over netlink.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DP_TC_FILTERS_MAX 64

struct dp_tc_filter {
	uint32_t priority;
	uint32_t handle;
	bool ours; // a BPF filter whose name starts with that of our guard
};

struct dp_tc_filters {
	struct dp_tc_filter filter[DP_TC_FILTERS_MAX];
	uint32_t n; // capped at DP_TC_FILTERS_MAX
};

// An interface without the qdisc has no filters. 0 or -errno.
int dp_tc_filters_read(uint32_t ifindex, bool egress, struct dp_tc_filters *out);
