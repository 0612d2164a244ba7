// SPDX-License-Identifier: BSD-3-Clause
// First pass of the lane: from the frame to key and checksum. What is true of nearly every datagram
// is a branch; what differs between those of clients and of peers, which come mixed, is not.
#include "common/wire/chandata.h"
#include "common/wire/ipudp.h"
#include "common/wire/stun.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/lane_binding.h"
#include "dataplane/path/lane_indication.h"
#include "dataplane/path/lane_sum.h"
#include "dataplane/path/state.h"
#include "dataplane/table/local_find.h"

#define L3        TP_ETHER_BYTES
#define IPV4_DATA (L3 + TP_IPV4_BYTES + TP_UDP_BYTES)
#define IPV6_DATA (L3 + TP_IPV6_BYTES + TP_UDP_BYTES)
#define HEAD      CHANDATA_HEADER_BYTES // so much of the payload is always read
#define SEND      0x0016                // type of a Send indication
#define PAD_MOST  3                     // bytes after the data: padding to a multiple of four

// As a little-endian load sees them.
#define ETHERTYPE_IPV4_WORD 0x0008
#define ETHERTYPE_IPV6_WORD 0xdd86
#define FRAGMENT_WORD       0xff3f // more fragments, and the offset

// What both families' headers come to.
struct headers {
	const uint8_t *payload; // of UDP
	uint64_t sum;           // over addresses
	uint32_t ports;         // source, then destination, as in the packet
	uint32_t udp;           // length, then checksum, as in the packet
	uint32_t length;        // of UDP
	uint8_t family;
};

// Padding of a ChannelData message: its bytes stand behind the data and leave the checksum with it.
static __rte_noinline uint64_t pad_sum(const uint8_t *data, uint32_t length, uint32_t bytes)
{
	return tp_sum_at(tp_sum_bytes(data + length, bytes), length);
}

// The same for STUN: a Send indication, whose key is its allocation's for now, or a Binding
// request, whose budget is its allocation's where it has one.
static __rte_noinline bool stun_key_and_sum(const struct dp_worker *w, uint64_t listener, const struct headers *h,
	struct dp_flow_key *key, struct dp_lane_packet *p)
{
	uint64_t word = (h->ports & 0xffff) | listener << 16 | (uint64_t)DP_KEY_CLIENT << 48 |
			(uint64_t)h->family << 56;

	bool send = dp_lane_swap16(dp_load32(h->payload)) == SEND &&
		    h->length >= TP_UDP_BYTES + STUN_HEADER_BYTES;

	if ((!send && !dp_lane_is_binding(h->payload, h->length - TP_UDP_BYTES)) ||
		!dp_listener_serves(w->locals, (uint16_t)listener, CONF_TRANSPORT_UDP))
		return false;
	memcpy((uint8_t *)key + offsetof(struct dp_flow_key, port), &word, sizeof(word));
	p->prefix = 0;
	p->length = (uint16_t)(h->length - TP_UDP_BYTES);
	if (!send) {
		__builtin_prefetch(h->payload + STUN_HEADER_BYTES + DP_LANE_HEADROOM / 2, 1, 3);
		p->flags |= DP_LANE_BINDING;
		return true;
	}
	// Its attributes and the start of its data, which are looked at next.
	__builtin_prefetch(h->payload + RTE_CACHE_LINE_SIZE / 2);
	p->flags |= DP_LANE_SEND;
	p->sum = DP_LANE_ZERO + (h->udp >> 16 ^ 0xffff) - h->sum - h->ports -
		 2 * (uint64_t)(uint16_t)h->udp - DP_LANE_UDP_WORD;
	return true;
}

// Whose it is: port and all behind it in the key; and what the checksum says of the data alone.
static __rte_always_inline bool key_and_sum(const struct dp_worker *w, uint32_t local, bool relay,
	const struct headers *h, struct dp_flow_key *key, struct dp_lane_packet *p)
{
	uint32_t to_port = h->ports >> 16, from_port = h->ports & 0xffff;
	uint64_t listener =
		dp_listener_slot(w->locals, (uint16_t)local, (rte_be16_t)to_port)->listener;
	bool up = listener != DP_LISTENER_NONE;
	uint64_t mask = -(uint64_t)up;
	uint32_t head = dp_load32(h->payload), channel = dp_lane_swap16(head),
		 size = dp_lane_swap16(head >> 16);
	uint32_t trailing = h->length - TP_UDP_BYTES - HEAD - size;
	bool channel_bad =
		(channel - CHANDATA_CHANNEL_MIN > w->channel_max - (uint32_t)CHANDATA_CHANNEL_MIN) |
		(trailing > PAD_MOST);
	bool relay_bad = !relay | !dp_local_in_relay_range(w->locals, (rte_be16_t)to_port);

	if (unlikely((up ? channel_bad : relay_bad) | (from_port == 0)))
		return up && from_port != 0 && stun_key_and_sum(w, listener, h, key, p);
	uint64_t peer = local | (uint64_t)to_port << 16 | (uint64_t)DP_KEY_PEER << 32;
	uint64_t client = listener | (uint64_t)channel << 16 | (uint64_t)DP_KEY_CLIENT << 32;
	uint64_t word = (up ? client : peer) << 16 | from_port | (uint64_t)h->family << 56;
	memcpy((uint8_t *)key + offsetof(struct dp_flow_key, port), &word, sizeof(word));
	p->prefix = (uint8_t)(HEAD & ~mask);
	p->payload = (uint16_t)(p->payload + (HEAD & mask));
	p->length = (uint16_t)(up ? size : h->length - TP_UDP_BYTES);
	p->sum = DP_LANE_ZERO + (h->udp >> 16 ^ 0xffff) - h->sum - h->ports -
		 2 * (uint64_t)(uint16_t)h->udp - DP_LANE_UDP_WORD - (head & mask);
	if (unlikely((trailing & mask) != 0))
		p->sum += DP_LANE_ZERO - pad_sum(h->payload + HEAD, size, trailing);
	return true;
}

static __rte_always_inline bool read_ipv4(const struct dp_worker *w, const struct rte_mbuf *m,
	const uint8_t *at, struct dp_flow_key *key, struct dp_lane_packet *p)
{
	uint32_t first = dp_load32(at + L3), second = dp_load32(at + L3 + 4);
	uint32_t third = dp_load32(at + L3 + 8), source = dp_load32(at + L3 + 12);
	uint32_t destination = dp_load32(at + L3 + 16), udp = dp_load32(at + L3 + 24);
	uint32_t total = dp_lane_swap16(first >> 16), length = dp_lane_swap16(udp);
	uint64_t from = source, zero = 0, addresses = from + destination;

	if (unlikely((uint8_t)first != 0x45 || (second >> 16 & FRAGMENT_WORD) != 0 ||
		     (third & 0xff00) != DP_LANE_UDP_WORD || (uint8_t)third < 2 ||
		     total > m->data_len - (uint32_t)L3 || length < TP_UDP_BYTES + HEAD ||
		     total < length + TP_IPV4_BYTES ||
		     dp_lane_fold(addresses + first + second + third) != 0xffff))
		return false;
	const struct dp_local_slot *slot = dp_local_index_find(
		w->locals, &w->locals->by_address, false, TP_FAMILY_IPV4, at + L3 + 16);
	if (unlikely(slot->local == DP_LOCAL_NONE))
		return false;
	memcpy(key->ip, &from, sizeof(from));
	memcpy(key->ip + 8, &zero, sizeof(zero));
	p->payload = IPV4_DATA;
	p->tos = (uint8_t)(first >> 8);
	p->hops = (uint8_t)third;
	p->flags = (uint8_t)((second >> 16 & DP_LANE_DF) | (udp >> 16 == 0));
	struct headers h = {.payload = at + IPV4_DATA,
		.sum = addresses,
		.ports = dp_load32(at + L3 + 20),
		.udp = udp,
		.length = length,
		.family = TP_FAMILY_IPV4};
	return key_and_sum(w, slot->local, slot->relay, &h, key, p);
}

static __rte_always_inline bool read_ipv6(const struct dp_worker *w, const struct rte_mbuf *m,
	const uint8_t *at, struct dp_flow_key *key, struct dp_lane_packet *p)
{
	uint32_t first = dp_load32(at + L3), second = dp_load32(at + L3 + 4);
	uint32_t udp = dp_load32(at + L3 + TP_IPV6_BYTES + 4);
	uint32_t total = dp_lane_swap16(second), length = dp_lane_swap16(udp);

	if (unlikely((first & 0xf0) != 0x60 || (second >> 16 & 0xff) != IPPROTO_UDP ||
		     second >> 24 < 2 || total > m->data_len - (uint32_t)L3 - TP_IPV6_BYTES ||
		     length < TP_UDP_BYTES + HEAD || total < length || udp >> 16 == 0))
		return false;
	const struct dp_local_slot *slot = dp_local_index_find(
		w->locals, &w->locals->by_address, false, TP_FAMILY_IPV6, at + L3 + 24);
	if (unlikely(slot->local == DP_LOCAL_NONE))
		return false;
	memcpy(key->ip, at + L3 + 8, sizeof(key->ip));
	p->payload = IPV6_DATA;
	p->tos = (uint8_t)(dp_lane_swap16(first) >> 4);
	p->hops = (uint8_t)(second >> 24);
	p->flags = 0;
	struct headers h = {.payload = at + IPV6_DATA,
		.sum = dp_lane_sum_ipv6(at + L3 + 8) + dp_lane_sum_ipv6(at + L3 + 24),
		.ports = dp_load32(at + L3 + TP_IPV6_BYTES),
		.udp = udp,
		.length = length,
		.family = TP_FAMILY_IPV6};
	return key_and_sum(w, slot->local, slot->relay, &h, key, p);
}

static __rte_always_inline bool read_frame(const struct dp_worker *w, const struct rte_mbuf *m,
	struct dp_flow_key *key, struct dp_lane_packet *p)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);

	if (unlikely(m->nb_segs != 1 || m->data_len < IPV4_DATA + HEAD ||
		     m->data_off < DP_LANE_HEADROOM))
		return false;
	uint16_t type = tp_raw16(at + 12);
	if (type == ETHERTYPE_IPV4_WORD)
		return read_ipv4(w, m, at, key, p);
	if (type == ETHERTYPE_IPV6_WORD && m->data_len >= IPV6_DATA + HEAD)
		return read_ipv6(w, m, at, key, p);
	return false;
}

void dp_lane_read(
	const struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[], uint16_t n)
{
	uint32_t taken = 0, left = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (likely(read_frame(w, burst[i], &lane->key[taken], &lane->packet[taken])))
			lane->at[taken++] = (uint8_t)i;
		else
			left |= UINT32_C(1) << i;
	}
	lane->n = taken;
	lane->left = left;
}
