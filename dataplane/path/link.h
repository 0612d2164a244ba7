// SPDX-License-Identifier: BSD-3-Clause
// Small things that several steps need about the link: resolving a next hop, the way back to the
// source of a received packet, the Ethernet header.
#pragma once

#include "common/base/bytes.h"
#include "dataplane/net/net.h"
#include "dataplane/path/state.h"

// Fills mac, out_port, vlan and mtu from the next hop; false, and nothing changed, when its
// neighbour is not known.
static inline bool dp_next_hop_resolve(const struct dp_worker *w, struct dp_packet *p)
{
	const struct dp_next_hop *hop = &w->dp->next_hops[p->next_hop];
	uint64_t mac = atomic_load_explicit(&hop->mac_state, memory_order_relaxed);

	if ((mac & DP_MAC_RESOLVED) == 0)
		return false;
	p->mac = mac;
	p->out_port = (uint8_t)hop->port;
	p->vlan = hop->vlan;
	p->mtu = __atomic_load_n(&hop->mtu, __ATOMIC_RELAXED);
	return true;
}

// Next hop by the routes to the packet's source, for an answer; until one is resolved, back to the
// Ethernet address, port and tag that the packet came with. Reads the packet's own headers.
static inline void dp_reply_route(
	struct dp_worker *w, const struct dp_batch *b, struct dp_packet *p)
{
	const uint8_t *ether = dp_packet_at(p, 0);
	struct tp_ip ip = {.family = p->in.family};

	p->mac = 0;
	memcpy(&p->mac, ether + 6, 6);
	p->out_port = (uint8_t)b->in_port;
	p->vlan = p->in.vlan_tci == TP_VLAN_NONE ? DP_UNTAGGED : p->in.vlan_tci & 0x0fff;
	p->mtu = w->tx[b->in_port].mtu;
	p->flags |= DP_PACKET_REFLECT;

	p->next_hop = DP_NEXT_HOP_NONE;
	if (w->dp->net == NULL)
		return;
	if (p->in.family == TP_FAMILY_IPV4)
		memcpy(ip.bytes, ether + p->in.l3_offset + 12, 4);
	else
		memcpy(ip.bytes, ether + p->in.l3_offset + 8, 16);
	p->next_hop = dp_net_lookup(w->dp->net, &ip);
}

// Destination, source, tag, type.
static inline void dp_write_ethernet(
	const struct dp_worker *w, const struct dp_packet *p, uint8_t *at, uint16_t type)
{
	memcpy(at, &p->mac, 6);
	memcpy(at + 6, &w->tx[p->out_port].mac, 6);
	if (p->vlan == DP_UNTAGGED) {
		tp_wr16(at + 12, type);
		return;
	}
	tp_wr16(at + 12, RTE_ETHER_TYPE_VLAN);
	tp_wr16(at + 14, p->vlan);
	tp_wr16(at + 16, type);
}
