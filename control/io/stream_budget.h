// SPDX-License-Identifier: BSD-3-Clause
// How much control does for connections without an allocation: what a worker does for five-tuples
// without one (dataplane/path/budget.h), by the same rates. Over a connection nobody forges a
// source, so all of them take from the budget of those that showed where they are.
#pragma once

#include "common/base/budget.h"

#define CTL_STREAM_BUDGET_SETS 1024

struct ctl_stream_budget {
	struct tp_siphash_key key;
	uint64_t all_whole_ns;
	struct tp_budget_set set[CTL_STREAM_BUDGET_SETS];
};

// Requests a second; 0: no limit.
struct ctl_stream_budget_rates {
	uint32_t per_address, per_network, all;
};

// 0, -ENOMEM, or the -errno of the source of random bytes.
int ctl_stream_budget_create(struct ctl_stream_budget **out);
void ctl_stream_budget_destroy(struct ctl_stream_budget *b);

// Takes one request of a client at `ip` out. False: there is no budget for it.
bool ctl_stream_budget_take(struct ctl_stream_budget *b,
	const struct ctl_stream_budget_rates *rates, const struct tp_ip *ip, uint64_t now_ns);
