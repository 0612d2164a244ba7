// SPDX-License-Identifier: BSD-3-Clause
// Datagrams of control: copied out of the ring first, checked then, built from nothing.
#include "common/abi/punt.h"
#include "dataplane/net/net.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/inject.h"
#include "dataplane/path/steps.h"

#define INJECT_MOST_BYTES (TP_PACKET_SLOT_BYTES - sizeof(struct tp_inject))
#define FRONT_BYTES       (18 + 40 + 8) // Ethernet with a tag, IPv6, UDP

static bool sane(const struct dp_worker *w, const struct tp_inject *in)
{
	uint8_t family = in->source.ip.family;

	return (family == TP_FAMILY_IPV4 || family == TP_FAMILY_IPV6) &&
	       in->destination.ip.family == family && in->source.port != 0 &&
	       in->destination.port != 0 && in->length <= INJECT_MOST_BYTES &&
	       dp_local_find(w->locals, family, in->source.ip.bytes) != DP_LOCAL_NONE;
}

// An mbuf with the payload in it and room for the headers before.
static struct rte_mbuf *make_frame(struct dp_worker *w, const void *payload, uint16_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);

	if (m == NULL)
		return NULL;
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(FRONT_BYTES + length));
	if (at == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(at, 0, FRONT_BYTES);
	memcpy(at + FRONT_BYTES, payload, length);
	return m;
}

// Without a resolved next hop the answer goes back where the request came from.
static void reply_path(struct dp_worker *w, struct dp_packet *p, const struct tp_reply_path *path)
{
	if (path->valid == 0 || path->port >= w->dp->n_ports)
		return;
	p->mac = 0;
	memcpy(&p->mac, path->mac, 6);
	p->out_port = (uint8_t)path->port;
	p->vlan = path->vlan == DP_UNTAGGED ? DP_UNTAGGED : path->vlan & 0x0fff;
	p->mtu = w->tx[path->port].mtu;
	p->flags |= DP_PACKET_REFLECT;
}

static void build(
	struct dp_worker *w, struct dp_packet *p, struct rte_mbuf *m, const struct tp_inject *in)
{
	*p = (struct dp_packet){
		.m = m,
		.stands_for = DP_FRAME_INJECTED,
		.flags = DP_PACKET_MADE,
		.in.family = in->source.ip.family,
		.in.tos = in->dscp_ecn,
		.payload = FRONT_BYTES,
		.payload_length = in->length,
		.prefix = DP_PREFIX_NONE,
		.out_family = in->source.ip.family,
		.out_local = dp_local_find(w->locals, in->source.ip.family, in->source.ip.bytes),
		.out_source_port = rte_cpu_to_be_16(in->source.port),
		.out_destination_port = rte_cpu_to_be_16(in->destination.port),
		.next_hop = w->dp->net != NULL ? dp_net_lookup(w->dp->net, &in->destination.ip)
					       : DP_NEXT_HOP_NONE,
	};
	memcpy(p->key.ip, in->destination.ip.bytes, sizeof(p->key.ip));
	p->key.family = in->destination.ip.family;
	p->out_ip = p->key.ip;
	p->sum = dp_sum_mbuf(m, FRONT_BYTES, in->length);
	reply_path(w, p, &in->path);
}

bool dp_inject_append(
	struct dp_worker *w, struct dp_batch *b, const struct tp_inject *in, const uint8_t *payload)
{
	if (!sane(w, in))
		return false;
	struct rte_mbuf *m = make_frame(w, payload, in->length);
	if (m == NULL)
		return false;
	struct dp_packet *p = &b->packet[b->n++];
	build(w, p, m, in);
	dp_packet_next(b, p, DP_VERDICT_FORWARD);
	return true;
}

// One slot; false when the datagram cannot be sent.
static bool take(struct dp_worker *w, struct dp_batch *b, const struct tp_inject *slot)
{
	struct tp_inject in;

	// The producer may still scribble: what is checked is the copy. The payload is only bytes.
	memcpy(&in, slot, sizeof(in));
	return dp_inject_append(w, b, &in, (const uint8_t *)slot + sizeof(*slot));
}

uint32_t dp_step_inject(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t taken = 0;

	for (; taken < DP_BURST; taken++) {
		const struct tp_inject *slot = tp_ring_front(&w->link->inject);
		if (slot == NULL)
			break;
		if (!take(w, b, slot))
			dp_count(w, TP_COUNTER_inject_failed, 1);
		tp_ring_pop(&w->link->inject);
	}
	return taken;
}
