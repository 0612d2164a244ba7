// SPDX-License-Identifier: BSD-3-Clause
// Where a datagram for the client goes: to the destination in its flow, or, when the client has
// moved a moment ago and the management thread has not replaced that flow yet, to where it is now
// (RFC 8016 section 3.2.2). To a client behind a stream process no packet is sent: STREAM. A flow
// of a client of UDP that stays costs one test of its flags.
#pragma once

#include "dataplane/path/state.h"
#include "dataplane/table/flow_table.h"

// -> FORWARD or STREAM.
static inline void dp_towards_client(const struct dp_worker *w, struct dp_batch *b,
	struct dp_packet *p, const struct dp_flow *flow)
{
	dp_packet_next(b, p, DP_VERDICT_FORWARD);
	p->out_family = flow->dst_family;
	p->out_local = flow->src_local;
	p->out_source_port = flow->src_port;
	p->out_destination_port = flow->dst_port;
	p->out_ip = flow->dst_ip;
	p->next_hop = atomic_load_explicit(&flow->next_hop, memory_order_relaxed);
	uint8_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);
	if (unlikely(flags & (DP_FLOW_MOVE | DP_FLOW_STREAM)))
		dp_moves_follow(w->dp, w->flows, b, p, flags);
}
