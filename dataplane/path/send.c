// SPDX-License-Identifier: BSD-3-Clause
// Client to peer by a Send indication, once the permission is looked up (RFC 8656 section 11.2).
#include "dataplane/path/account.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/within_rate.h"

static void relay_send(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct dp_flow *flow = p->flow;

	if (flow == NULL) {
		dp_packet_drop(b, p, TP_DROP_no_permission);
		return;
	}
	if (b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed)) {
		dp_packet_drop(b, p, TP_DROP_permission_expired);
		return;
	}
	if (!dp_within_rate_up(w, b, p))
		return;
	dp_account_shared(&flow->up_packets, &flow->up_bytes, p->payload_length);
	p->prefix = DP_PREFIX_NONE;
	p->out_family = p->key.family;
	p->out_ip = p->key.ip;
	p->next_hop = atomic_load_explicit(&flow->peer_next_hop, memory_order_relaxed);
	if (p->peer_local == DP_LOCAL_NONE) {
		dp_packet_next(b, p, DP_VERDICT_FORWARD);
		return;
	}
	// One of ours: on in the private form.
	p->out_ip = dp_local_at(w->locals, p->peer_local)->address.bytes;
	dp_packet_next(b, p, DP_VERDICT_HAIRPIN);
}

void dp_step_send(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t relayed = 0;

	if (!dp_batch_has(b, DP_VERDICT_SEND))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_SEND)
			continue;
		relay_send(w, b, p);
		relayed += p->verdict != DP_VERDICT_DROP;
	}
	dp_count(w, TP_COUNTER_send_up, relayed);
}
