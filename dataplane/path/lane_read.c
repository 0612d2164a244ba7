// SPDX-License-Identifier: BSD-3-Clause
// First pass of the lane: from the frame to the key, and what its bucket names.
#include "common/wire/chandata.h"
#include "common/wire/ipudp.h"
#include "common/wire/stun.h"
#include "dataplane/path/count.h"
#include "dataplane/path/lane_binding.h"
#include "dataplane/path/lane_indication.h"
#include "dataplane/path/lane_sum.h"
#include "dataplane/path/state.h"
#include "dataplane/table/flow_passes.h"
#include "dataplane/table/local_find.h"

#define L3        TP_ETHER_BYTES
#define IPV4_DATA (L3 + TP_IPV4_BYTES + TP_UDP_BYTES)
#define IPV6_DATA (L3 + TP_IPV6_BYTES + TP_UDP_BYTES)
#define HEAD      CHANDATA_HEADER_BYTES // so much of the payload is always read
#define SEND      0x0016                // type of a Send indication
#define PAD_MOST  3                     // bytes after the data: padding to a multiple of four
#define BEHIND    12                    // datagrams that a bucket has to arrive
#define AHEAD     16u                   // frames that the first line of one has to arrive
#define NEAR      6                     // and its second

// As a little-endian load sees them.
#define ETHERTYPE_IPV4_WORD 0x0008
#define ETHERTYPE_IPV6_WORD 0xdd86
#define FRAGMENT_WORD       0xff3f // more fragments, and the offset

// What a frame is looked up by, its address in two words, all behind it in a third; kept, hashed,
// and its bucket is on its way.
static __rte_always_inline void set_key(const struct dp_worker *w, struct dp_lane *lane, uint32_t k,
	uint64_t k0, uint64_t k1, uint64_t k2)
{
	uint8_t *key = (uint8_t *)&lane->key[k];

	dp_store64(key, k0);
	dp_store64(key + 8, k1);
	dp_store64(key + 16, k2);
	lane->hash[k] = dp_flow_pass_hash(w->flows, k0, k1, k2);
}

static __rte_always_inline uint64_t key_word(uint32_t port, uint64_t behind_port, uint8_t family)
{
	static_assert(offsetof(struct dp_flow_key, port) == 16 &&
		      offsetof(struct dp_flow_key, family) == 23);
	return port | behind_port << 16 | (uint64_t)family << 56;
}

// STUN of a client: a Send indication, whose key is its allocation's until its
// permission is asked, or a Binding request, whose budget is its allocation's where it has one.
static __rte_noinline bool read_stun(const struct dp_worker *w, uint32_t listener,
	const uint8_t *frame, uint32_t offset, struct dp_lane *lane, uint32_t k)
{
	struct dp_lane_packet *p = &lane->packet[k];
	const uint8_t *payload = frame + offset;
	uint8_t family = offset == IPV4_DATA ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
	uint32_t length = dp_lane_swap16(dp_load32(payload - 4)) - TP_UDP_BYTES;
	uint32_t from_port = dp_load32(payload - TP_UDP_BYTES) & UINT16_MAX;
	bool send = dp_lane_swap16(dp_load32(payload)) == SEND && length >= STUN_HEADER_BYTES;

	if (from_port == 0 || (!send && !dp_lane_is_binding(payload, length)) ||
		!dp_listener_serves(w->locals, (uint16_t)listener, CONF_TRANSPORT_UDP))
		return false;
	const uint8_t *ip = frame + L3;
	uint64_t behind = listener | (uint64_t)DP_KEY_CLIENT << 32;
	if (family == TP_FAMILY_IPV4)
		set_key(w, lane, k, dp_load32(ip + 12), 0, key_word(from_port, behind, family));
	else
		set_key(w, lane, k, dp_load64(ip + 8), dp_load64(ip + 16),
			key_word(from_port, behind, family));
	*p = (struct dp_lane_packet){
		.payload = (uint16_t)offset, .length = (uint16_t)length, .family = family};
	lane->more = true;
	if (!send) {
		__builtin_prefetch(payload + STUN_HEADER_BYTES + DP_LANE_HEADROOM / 2, 1, 3);
		p->flags = DP_LANE_BINDING;
		return true;
	}
	// Its attributes and the start of its data, which are looked at next.
	__builtin_prefetch(payload + RTE_CACHE_LINE_SIZE / 2);
	p->flags = DP_LANE_SEND;
	p->sum = dp_lane_sum_udp(frame, payload, family);
	return true;
}

// The second word of a dp_lane_packet.
static __rte_always_inline uint64_t packet_word(
	uint32_t payload, uint32_t length, uint32_t prefix, uint8_t family)
{
	return payload | length << 16 | (uint64_t)(prefix | (uint32_t)family << 24) << 32;
}

// Whose it is, and where the data stands. `length` is of UDP, k0 and k1 are the source address.
static __rte_always_inline bool read_udp(const struct dp_worker *w, uint32_t local, uint32_t relay,
	const uint8_t *frame, uint32_t offset, uint32_t length, uint64_t k0, uint64_t k1,
	uint8_t family, struct dp_lane *lane, uint32_t k)
{
	const uint8_t *payload = frame + offset;
	uint32_t ports = dp_load32(payload - TP_UDP_BYTES);
	uint32_t to_port = ports >> 16, from_port = (uint16_t)ports;
	uint32_t listener = dp_listener_near(w->locals, local, to_port);
	uint64_t key, word;

	if (unlikely(from_port == 0))
		return false;
	if (listener != DP_LISTENER_NONE) {
		uint32_t head = dp_load32(payload);
		uint32_t channel = dp_lane_swap16(head), size = dp_lane_swap16(head >> 16);
		uint32_t padding = length - TP_UDP_BYTES - HEAD - size;
		if (unlikely(channel - CHANDATA_CHANNEL_MIN >
				     w->channel_max - (uint32_t)CHANDATA_CHANNEL_MIN ||
			     padding > PAD_MOST))
			return read_stun(w, listener, frame, offset, lane, k);
		key = listener | channel << 16 | (uint64_t)DP_KEY_CLIENT << 32;
		word = packet_word(offset + HEAD, size, 0, family) | (uint64_t)padding << 40;
	} else {
		if (unlikely(!relay || !dp_local_in_relay_range(w->locals, (rte_be16_t)to_port)))
			return false;
		key = local | to_port << 16 | (uint64_t)DP_KEY_PEER << 32;
		word = packet_word(offset, length - TP_UDP_BYTES, HEAD, family);
	}
	lane->packet[k].word = word;
	set_key(w, lane, k, k0, k1, key_word(from_port, key, family));
	return true;
}

static __rte_always_inline bool read_ipv4(const struct dp_worker *w, const struct rte_mbuf *m,
	const uint8_t *at, struct dp_lane *lane, uint32_t k)
{
	uint32_t first = dp_load32(at + L3), second = dp_load32(at + L3 + 4);
	uint32_t third = dp_load32(at + L3 + 8), destination = dp_load32(at + L3 + 16);
	uint64_t source = dp_load32(at + L3 + 12);
	uint32_t total = dp_lane_swap16(first >> 16),
		 length = dp_lane_swap16(dp_load32(at + IPV4_DATA - 4));

	if (unlikely((uint8_t)first != DP_LANE_IPV4_HEAD || (second >> 16 & FRAGMENT_WORD) != 0 ||
		     (third & 0xff00) != DP_LANE_UDP_WORD || (uint8_t)third < 2 ||
		     total > m->data_len - (uint32_t)L3 || length < TP_UDP_BYTES + HEAD ||
		     total < length + TP_IPV4_BYTES ||
		     dp_lane_fold(source + destination + first + second + third) != 0xffff))
		return false;
	uint32_t relay, local = dp_local_near(w->locals, destination, &relay);
	if (unlikely(local == DP_LOCAL_NONE))
		return false;
	return read_udp(w, local, relay, at, IPV4_DATA, length, source, 0, TP_FAMILY_IPV4, lane, k);
}

static __rte_always_inline bool read_ipv6(const struct dp_worker *w, const struct rte_mbuf *m,
	const uint8_t *at, struct dp_lane *lane, uint32_t k)
{
	uint32_t second = dp_load32(at + L3 + 4), udp = dp_load32(at + IPV6_DATA - 4);
	uint32_t total = dp_lane_swap16(second), length = dp_lane_swap16(udp);

	if (unlikely((at[L3] & 0xf0) != 0x60 || (second >> 16 & 0xff) != IPPROTO_UDP ||
		     second >> 24 < 2 || total > m->data_len - (uint32_t)L3 - TP_IPV6_BYTES ||
		     length < TP_UDP_BYTES + HEAD || total < length || udp >> 16 == 0))
		return false;
	const struct dp_local_slot *slot = dp_local_index_find(
		w->locals, &w->locals->by_address, false, TP_FAMILY_IPV6, at + L3 + 24);
	if (unlikely(slot->local == DP_LOCAL_NONE))
		return false;
	return read_udp(w, slot->local, slot->relay, at, IPV6_DATA, length, dp_load64(at + L3 + 8),
		dp_load64(at + L3 + 16), TP_FAMILY_IPV6, lane, k);
}

// `behind`: some frames further, of the same kind mostly.
static __rte_always_inline bool read_frame(const struct dp_worker *w, const struct rte_mbuf *m,
	const struct rte_mbuf *behind, struct dp_lane *lane, uint32_t k)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);

	if (unlikely(m->nb_segs != 1 || m->data_len < IPV4_DATA + HEAD ||
		     m->data_off < DP_LANE_HEADROOM))
		return false;
	uint16_t type = tp_raw16(at + 12);
	if (type == ETHERTYPE_IPV4_WORD)
		return read_ipv4(w, m, at, lane, k);
	if (type != ETHERTYPE_IPV6_WORD || m->data_len < IPV6_DATA + HEAD)
		return false;
	// Headers of IPv6 reach into the second line.
	rte_prefetch0(rte_pktmbuf_mtod(behind, const uint8_t *) + RTE_CACHE_LINE_SIZE);
	return read_ipv6(w, m, at, lane, k);
}

static inline void fetch(const struct rte_mbuf *m)
{
	rte_prefetch0(rte_pktmbuf_mtod(m, const void *));
}

// Frames are fetched some ahead: all at once would be more than the CPU has places for. The buckets
// of the flow table are looked into some datagrams behind, when they have arrived, so that the
// flows are on their way while the rest of the burst is read.
void dp_lane_read(
	struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[], uint16_t n)
{
	const struct dp_flow_table *flows = w->flows;
	uint32_t taken = 0, left = 0, matched = 0;
	uint64_t bytes = 0;

	lane->more = false;
	for (uint32_t i = 0; i < RTE_MIN((uint32_t)n, AHEAD); i++)
		fetch(burst[i]);
	for (uint32_t i = 0; i < n; i++) {
		bytes += burst[i]->pkt_len;
		if (i + AHEAD < n)
			fetch(burst[i + AHEAD]);
		if (unlikely(!read_frame(
			    w, burst[i], burst[RTE_MIN(i + NEAR, n - 1u)], lane, taken))) {
			left |= UINT32_C(1) << i;
			continue;
		}
		lane->at[taken++] = (uint8_t)i;
		if (taken > BEHIND) {
			lane->index[matched] = dp_flow_pass_match(flows, lane->hash[matched]);
			matched++;
		}
	}
	for (; matched < taken; matched++)
		lane->index[matched] = dp_flow_pass_match(flows, lane->hash[matched]);
	lane->n = taken;
	lane->left = left;
	dp_count(w, TP_COUNTER_rx_bytes, bytes);
}
