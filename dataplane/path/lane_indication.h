// SPDX-License-Identifier: BSD-3-Clause
// Send and Data indications on the lane: their first lookup found the allocation (Send), or no live
// channel (Data); a second one, for all of them at once, asks the permission. Only lane*.c includes
// this.
#pragma once

#include "dataplane/path/lane.h"

// More of dp_lane_packet.flags.
#define DP_LANE_SEND 0x02 // a Send indication; until its permission is looked up all of the message
#define DP_LANE_DATA 0x04 // leaves as a Data indication; `prefix` is what that takes before the data
#define DP_LANE_BACK 0x08 // the general steps' after all

// Bytes of a Data indication before its data (dp_prefix_bytes).
#define DP_LANE_DATA_IPV4 36
#define DP_LANE_DATA_IPV6 48

static inline bool dp_lane_live(const struct dp_flow *flow, uint64_t now_ns)
{
	return flow != NULL &&
	       now_ns <= atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed);
}

// Between find and relay. What is flagged has its permission in lane->flow afterwards, or NULL; the
// key of a Send names its peer, port included.
void dp_lane_ask_permissions(struct dp_worker *w, struct dp_lane *lane,
	struct rte_mbuf *const burst[], uint64_t now_ns);
