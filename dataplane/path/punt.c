// SPDX-License-Identifier: BSD-3-Clause
// Requests to control, by the worker's punt ring: one flush a burst.
#include "common/abi/punt.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"

#define PUNT_MOST_BYTES (TP_PACKET_SLOT_BYTES - sizeof(struct tp_punt))

static void fill(const struct dp_worker *w, const struct dp_batch *b, const struct dp_packet *p,
	struct tp_punt *slot)
{
	const uint8_t *ether = dp_packet_at(p, 0);
	uint16_t listener_local;

	*slot = (struct tp_punt){
		.received_ns = b->now_ns,
		.source.ip.family = p->in.family,
		.source.port = rte_be_to_cpu_16(p->in.src_port),
		.destination = *dp_listener_at(w->locals, p->listener, &listener_local),
		.alloc = p->alloc != NULL ? p->alloc->alloc : TP_ALLOC_NONE,
		.path.port = b->in_port,
		.path.vlan = p->in.vlan_tci,
		.path.valid = 1,
		.worker = w->index,
		.length = p->payload_length,
		.dscp_ecn = p->in.tos,
		.hop_limit = p->hop_limit,
	};
	memcpy(slot->source.ip.bytes, p->key.ip, sizeof(p->key.ip));
	memcpy(slot->path.mac, ether + 6, 6);
	const void *payload = rte_pktmbuf_read(p->m, p->payload, p->payload_length, slot->payload);
	if (payload != slot->payload)
		memcpy(slot->payload, payload, p->payload_length);
}

// Of a five-tuple without an allocation. False: dropped.
static bool within_budget(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	bool proven = (p->flags & DP_PACKET_PROVEN) != 0;

	if (proven ? dp_budget_punt(w->budget, p->in.family, p->key.ip, b->now_ns)
		   : dp_budget_unproven(w->budget, b->now_ns))
		return true;
	dp_packet_drop(b, p, proven ? TP_DROP_budget_punt : TP_DROP_budget_unproven);
	return false;
}

static void punt(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	if (w->link == NULL) {
		dp_packet_drop(b, p, TP_DROP_control_away);
		return;
	}
	if (p->payload_length > PUNT_MOST_BYTES) {
		dp_packet_drop(b, p, TP_DROP_punt_too_long);
		return;
	}
	if (p->alloc == NULL && !within_budget(w, b, p))
		return;
	struct tp_punt *slot = tp_ring_reserve(&w->link->punt);
	if (slot == NULL) {
		dp_packet_drop(b, p, TP_DROP_punt_full);
		return;
	}
	fill(w, b, p, slot);
	tp_ring_commit(&w->link->punt);
	dp_count(w, TP_COUNTER_punted, p->stands_for & DP_FRAME_FRAMES);
	rte_pktmbuf_free(p->m);
	dp_packet_next(b, p, DP_VERDICT_HELD);
}

void dp_step_punt(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_PUNT))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict == DP_VERDICT_PUNT)
			punt(w, b, &b->packet[i]);
	}
	if (w->link != NULL)
		tp_ring_flush(&w->link->punt);
}
