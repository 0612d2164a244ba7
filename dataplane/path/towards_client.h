// SPDX-License-Identifier: BSD-3-Clause
// Where a datagram for the client goes: to the destination in its flow, or, when the client has
// moved a moment ago and the management thread has not replaced that flow yet, to where it is now
// (RFC 8016 section 3.2.2). A flow of a client that stays costs one test of its flags.
#pragma once

#include "dataplane/path/state.h"
#include "dataplane/table/flow_table.h"

static inline void dp_towards_client(
	const struct dp_worker *w, struct dp_packet *p, const struct dp_flow *flow)
{
	const struct dp_flow *moved = NULL;

	if (atomic_load_explicit(&flow->flags, memory_order_relaxed) & DP_FLOW_MOVE)
		moved = dp_moves_arrived(w->dp, w->flows, flow);
	const struct dp_flow *by = moved == NULL ? flow : moved;
	p->out_family = by->dst_family;
	p->out_local = by->src_local;
	p->out_source_port = by->src_port;
	p->out_destination_port = by->dst_port;
	p->out_ip = moved == NULL ? flow->dst_ip : moved->key.ip;
	p->next_hop = atomic_load_explicit(&by->next_hop, memory_order_relaxed);
}
