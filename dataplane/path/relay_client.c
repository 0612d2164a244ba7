// SPDX-License-Identifier: BSD-3-Clause
// Client to peer by a channel (RFC 8656 section 12.6).
#include "dataplane/path/account.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/within_rate.h"

static void relay_channel(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct dp_flow *flow = p->flow;

	if (flow == NULL) {
		dp_packet_drop(b, p, TP_DROP_no_channel);
		return;
	}
	if (b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed)) {
		dp_packet_drop(b, p, TP_DROP_channel_expired);
		return;
	}
	uint8_t flags = atomic_load_explicit(&flow->flags, memory_order_relaxed);
	if (flags & DP_FLOW_MOVE)
		dp_moves_note(&w->moves, w->flows, flow);
	if (!dp_within_rate_up(w, b, p))
		return;
	dp_account_channel(w, flow, p->payload_length);
	p->prefix = DP_PREFIX_NONE;
	p->out_family = flow->dst_family;
	p->out_local = flow->src_local;
	p->out_source_port = flow->src_port;
	p->out_destination_port = flow->dst_port;
	p->out_ip = flow->dst_ip;
	p->next_hop = atomic_load_explicit(&flow->next_hop, memory_order_relaxed);
	dp_packet_next(b, p, flags & DP_FLOW_HAIRPIN ? DP_VERDICT_HAIRPIN : DP_VERDICT_FORWARD);
}

void dp_step_channel_up(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t relayed = 0;

	if (!dp_batch_has(b, DP_VERDICT_CHANNEL))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_CHANNEL)
			continue;
		relay_channel(w, b, p);
		relayed += p->verdict != DP_VERDICT_DROP;
	}
	dp_count(w, TP_COUNTER_channel_up, relayed);
}
