// SPDX-License-Identifier: BSD-3-Clause
// A datagram from one relayed address of ours to another never leaves by a port: it becomes a
// datagram of a peer and is looked up again in the same burst. One such turn at most.
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"

static void turn_around(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	if (p->flags & DP_PACKET_HAIRPIN) {
		dp_packet_drop(b, p, TP_DROP_hairpin_loop);
		return;
	}
	uint16_t to = dp_local_find(w->locals, p->out_family, p->out_ip);
	if (to == DP_LOCAL_NONE || !dp_local_at(w->locals, to)->relay ||
		!dp_local_relay_port(w->locals, p->out_destination_port)) {
		dp_packet_drop(b, p, TP_DROP_hairpin_no_allocation);
		return;
	}
	p->flags |= DP_PACKET_HAIRPIN;
	p->in.src_port = p->out_source_port;
	p->key = (struct dp_flow_key){
		.port = p->out_source_port,
		.local = to,
		.selector = p->out_destination_port,
		.side = DP_KEY_PEER,
		.family = p->out_family,
	};
	memcpy(p->key.ip, dp_local_at(w->locals, p->out_local)->public_address.bytes,
		sizeof(p->key.ip));
	dp_packet_next(b, p, DP_VERDICT_PEER);
}

void dp_step_hairpin(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t turned = 0;

	if (!dp_batch_has(b, DP_VERDICT_HAIRPIN))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_HAIRPIN)
			continue;
		turn_around(w, b, p);
		turned += p->verdict == DP_VERDICT_PEER;
	}
	dp_count(w, TP_COUNTER_hairpin, turned);
}
