// SPDX-License-Identifier: BSD-3-Clause
// Messages of clients behind a stream process: copied out of the ring first, checked then. Whose
// ring it is says whose clients they are; nothing in a slot does.
#include "common/abi/stream.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/dtls.h"
#include "dataplane/path/steps.h"

#define ECN_BITS 0x03

// A message being gathered. Slots of one that is refused are taken all the same.
struct gather {
	struct tp_stream_slot head;
	struct rte_mbuf *first, *last;
	enum tp_drop_reason reason;
	bool refused;
};

static void refuse(struct gather *g, enum tp_drop_reason reason)
{
	if (!g->refused)
		g->reason = reason;
	g->refused = true;
	rte_pktmbuf_free(g->first);
	g->first = g->last = NULL;
}

// `length` bytes more. The producer may still scribble over them: they are only bytes.
static void keep(struct dp_worker *w, struct gather *g, const uint8_t *payload, uint16_t length)
{
	if (g->refused)
		return;
	if (g->first != NULL && g->first->pkt_len + length > UINT16_MAX) {
		refuse(g, TP_DROP_too_big); // no datagram holds it
		return;
	}
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	uint8_t *at = m == NULL ? NULL : (uint8_t *)rte_pktmbuf_append(m, length);
	if (at == NULL) {
		rte_pktmbuf_free(m);
		refuse(g, TP_DROP_no_mbuf);
		return;
	}
	memcpy(at, payload, length);
	if (g->first == NULL) {
		g->first = g->last = m;
		return;
	}
	g->last->next = m;
	g->last = m;
	g->first->nb_segs++;
	g->first->pkt_len += length;
}

static bool is_message(const struct tp_stream_slot *head)
{
	return head->kind == TP_STREAM_MESSAGE && head->length <= TP_STREAM_SLOT_PAYLOAD &&
	       head->more < TP_STREAM_MOST_SLOTS && head->connection != 0;
}

// What follows a datagram that says it has more is looked at for itself.
static bool is_datagram(const struct tp_stream_slot *head)
{
	return (head->kind == TP_STREAM_DATAGRAM || head->kind == TP_STREAM_NOT_MINE) &&
	       head->length <= TP_STREAM_SLOT_PAYLOAD;
}

// The slots behind the first one; one that is none of them stays where it is. Returns how many.
static uint32_t gather_rest(struct dp_worker *w, struct gather *g, struct tp_ring *up)
{
	struct tp_stream_slot rest;
	uint32_t taken = 0;

	for (; taken < g->head.more; taken++) {
		const struct tp_stream_slot *slot = tp_ring_front(up);
		if (slot == NULL) {
			refuse(g, TP_DROP_bad_stream);
			break;
		}
		memcpy(&rest, slot, sizeof(rest));
		if (rest.kind != TP_STREAM_REST || rest.length > TP_STREAM_SLOT_PAYLOAD) {
			refuse(g, TP_DROP_bad_stream);
			break;
		}
		keep(w, g, slot->payload, rest.length);
		tp_ring_pop(up);
	}
	return taken;
}

// As a packet behind parse. No datagram came, so the hop limit is that of packets made here once it
// is decremented, and the checksum is over all there is.
static void begin_packet(struct dp_batch *b, const struct gather *g, uint32_t stream)
{
	struct dp_packet *p = &b->packet[b->n++];
	const struct tp_addr client = tp_stream_address(
		(struct tp_stream_client){.stream = stream, .connection = g->head.connection});

	*p = (struct dp_packet){
		.m = g->first,
		.stands_for = 1,
		.in.family = TP_FAMILY_STREAM,
		.in.src_port = UINT16_MAX, // any but none: it has one, which nobody here is told
		.in.tos = g->head.dscp_ecn & ~ECN_BITS, // RFC 8656 section 15
		.in.vlan_tci = TP_VLAN_NONE,
		.hop_limit = DP_MADE_HOP_LIMIT + 1,
		.payload_length = (uint16_t)g->first->pkt_len,
		.local = DP_LOCAL_NONE,
		.key = {.side = DP_KEY_STREAM, .family = TP_FAMILY_STREAM},
		.sum = dp_sum_mbuf(g->first, 0, g->first->pkt_len),
	};
	memcpy(p->key.ip, client.ip.bytes, sizeof(p->key.ip));
	dp_packet_next(b, p, DP_VERDICT_LISTENER);
}

// One message, or one slot that is none. Returns how many slots it took, 0: the ring is empty.
static uint32_t take(struct dp_worker *w, struct dp_batch *b, struct dp_stream_link *link)
{
	const struct tp_stream_slot *slot = tp_ring_front(&link->up);
	struct gather g = {0};
	uint32_t taken = 1;

	if (slot == NULL)
		return 0;
	memcpy(&g.head, slot, sizeof(g.head));
	if (is_datagram(&g.head)) {
		dp_dtls_up(w, b, link, &g.head, slot->payload);
		tp_ring_pop(&link->up);
		return 1;
	}
	bool message = is_message(&g.head);
	if (message)
		keep(w, &g, slot->payload, g.head.length);
	else
		refuse(&g, TP_DROP_bad_stream);
	tp_ring_pop(&link->up);
	if (message)
		taken += gather_rest(w, &g, &link->up);
	if (g.refused)
		dp_count_drop(w, g.reason, 1);
	else
		begin_packet(b, &g, link->stream);
	dp_count(w, TP_COUNTER_stream_up, 1);
	return taken;
}

uint32_t dp_step_stream_up(struct dp_worker *w, struct dp_batch *b, struct dp_stream_link *link)
{
	uint32_t taken = 0;

	while (taken < DP_BURST) {
		uint32_t slots = take(w, b, link);
		if (slots == 0)
			break;
		taken += slots;
	}
	return taken;
}
