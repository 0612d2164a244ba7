// SPDX-License-Identifier: BSD-3-Clause
// The new headers of a datagram on the lane, put together in registers. Only lane*.c includes this.
#pragma once

#include "common/wire/ipudp.h"
#include "common/wire/stun.h"
#include "dataplane/path/count.h"
#include "dataplane/path/lane.h"
#include "dataplane/path/lane_sum.h"
#include "dataplane/path/state.h"
#include "dataplane/path/tx.h"
#include "dataplane/table/local_find.h"

#define DP_LANE_TYPE_IPV4 (UINT64_C(0x0008) << 48)
#define DP_LANE_TYPE_IPV6 (UINT64_C(0xdd86) << 48)

enum dp_lane_fate {
	DP_LANE_SENT,
	DP_LANE_LEFT,    // to the general steps, untouched
	DP_LANE_DROPPED, // and counted; to be freed
};

static inline enum dp_lane_fate dp_lane_refuse(struct dp_worker *w, enum tp_drop_reason reason)
{
	dp_count_drop(w, reason, 1);
	return DP_LANE_DROPPED;
}

// What is the same for all datagrams of a burst, read once: every store into a frame could change
// it for all that the compiler knows.
struct dp_lane_burst {
	const struct dp_next_hop *hops;
	const struct dp_local *locals;
	const uint64_t *macs;
	struct dp_police_state *police;
	uint64_t now_ns;
	// In the words of an IPv4 header, as a little-endian load sees them:
	uint32_t tos_keep, tos_set;   // first word; what is set has version and header length
	uint32_t hops_keep, hops_add; // third word
	uint32_t ipv4_id;             // of the next one made here, host order
	bool keep_ipv4_id;
};

// What of the headers is neither addresses nor UDP's.
struct dp_lane_leaving {
	uint64_t mac_to, mac_from; // the latter's two high bytes are zero
	uint64_t ports;            // source, then destination, as in the packet
	uint32_t length;           // of UDP
	// Words of an IPv4 header: the first without the length, the third without the checksum.
	uint32_t first, second, third;
};

static inline uint32_t dp_lane_new_id(struct dp_lane_burst *b)
{
	return dp_lane_swap16(b->ipv4_id++);
}

// DSCP and ECN of a frame that came, where an IPv4 header has them.
static inline uint32_t dp_lane_tos(const uint8_t *frame, bool ipv4)
{
	uint32_t first = dp_load32(frame + TP_ETHER_BYTES);

	return ipv4 ? first & 0xff00 : dp_lane_swap16(first) << 4 & 0xff00;
}

// ---- STUN

#define DP_LANE_ADDRESS_IPV4 (STUN_ATTR_HEADER_BYTES + 8)
#define DP_LANE_ADDRESS_IPV6 (STUN_ATTR_HEADER_BYTES + 20)

// One word, and its part of the checksum: reading back what was just written in other pieces would
// stall.
static inline uint64_t dp_lane_put(uint8_t *at, uint32_t word)
{
	dp_store32(at, word);
	return word;
}

// An attribute with a XOR-ed address (RFC 8489 section 14.2), behind cookie and transaction of its
// message; `port` as in packets. Returns the sum over it.
static inline uint64_t dp_lane_put_address(uint8_t *at, uint32_t type, const uint8_t *message,
	const uint8_t *ip, uint32_t port, bool ipv4)
{
	uint32_t value =
		(ipv4 ? DP_LANE_ADDRESS_IPV4 : DP_LANE_ADDRESS_IPV6) - STUN_ATTR_HEADER_BYTES;
	uint64_t sum = dp_lane_put(at, htobe32(type << 16 | value));

	port ^= htobe16(STUN_MAGIC_COOKIE >> 16);
	sum += dp_lane_put(at + 4, htobe32(ipv4 ? 1u << 16 : 2u << 16) | port << 16);
	for (uint32_t i = 0; i < value - 4; i += 4)
		sum += dp_lane_put(at + 8 + i, dp_load32(ip + i) ^ dp_load32(message + 4 + i));
	return sum;
}

// ---- headers

static inline void dp_lane_write_ethernet(
	const struct dp_lane_leaving *l, uint8_t *at, uint64_t type)
{
	dp_store64(at, l->mac_to);
	dp_store64(at + 6, l->mac_from | type);
}

// Length (as in the packet) and checksum of UDP as they stand there; the checksum is the high half
// of `checksum`.
static __rte_always_inline uint32_t dp_lane_udp(uint32_t length, uint32_t checksum, bool no_sum)
{
	return length | (unlikely(no_sum) ? 0 : checksum & UINT32_C(0xffff0000));
}

// The same made of the addresses and a sum over the payload.
static inline uint32_t dp_lane_udp_of(const struct dp_lane_leaving *l, uint64_t sum,
	const struct dp_local *from, const uint8_t *to, bool ipv4, bool no_sum)
{
	uint32_t length = dp_lane_swap16(l->length);

	sum += from->source_sum + (ipv4 ? dp_load32(to) : dp_lane_sum_ipv6(to));
	sum += l->ports + 2 * (uint64_t)length + DP_LANE_UDP_WORD;
	uint32_t checksum = ~dp_lane_fold_high(sum);
	return dp_lane_udp(length, checksum >> 16 == 0 ? UINT32_MAX : checksum, no_sum);
}

// Both end where `data` begins, and return where the frame does. `udp`: its second word.
static __rte_always_inline uint8_t *dp_lane_write_ipv4(const struct dp_lane_leaving *l,
	const struct dp_local *from, const uint8_t *to, uint32_t udp, uint8_t *data)
{
	uint8_t *at = data - TP_UDP_BYTES - TP_IPV4_BYTES - TP_ETHER_BYTES;
	uint32_t source = dp_load32(from->address.bytes), destination = dp_load32(to);
	uint32_t first = l->first | dp_lane_swap16(TP_IPV4_BYTES + l->length) << 16;
	uint64_t addresses = (uint64_t)source + destination;
	uint32_t checksum =
		~dp_lane_fold_high(addresses + first + l->second + l->third) & UINT32_C(0xffff0000);

	dp_lane_write_ethernet(l, at, DP_LANE_TYPE_IPV4);
	dp_store64(at + TP_ETHER_BYTES, first | (uint64_t)l->second << 32);
	dp_store64(at + TP_ETHER_BYTES + 8, l->third | checksum | (uint64_t)source << 32);
	dp_store64(at + TP_ETHER_BYTES + 16, destination | l->ports << 32);
	dp_store32(at + TP_ETHER_BYTES + TP_IPV4_BYTES + 4, udp);
	return at;
}

static __rte_always_inline uint8_t *dp_lane_write_ipv6(const struct dp_lane_leaving *l,
	const struct dp_local *from, const uint8_t *to, uint32_t udp, uint8_t *data)
{
	uint8_t *at = data - TP_UDP_BYTES - TP_IPV6_BYTES - TP_ETHER_BYTES,
		*ip = at + TP_ETHER_BYTES;

	dp_lane_write_ethernet(l, at, DP_LANE_TYPE_IPV6);
	dp_store32(ip, __builtin_bswap32(UINT32_C(6) << 28 | (l->first & 0xff00) << 12));
	dp_store32(
		ip + 4, dp_lane_swap16(l->length) | (uint32_t)IPPROTO_UDP << 16 | l->third << 24);
	memcpy(ip + 8, from->address.bytes, 16);
	memcpy(ip + 24, to, 16);
	dp_store64(ip + TP_IPV6_BYTES, (uint32_t)l->ports | (uint64_t)udp << 32);
	return at;
}

// The datagram is complete: it stands for itself. It waits for the ones before it, if any were left
// to the general steps.
static __rte_always_inline void dp_lane_leave(struct dp_worker *w, struct dp_lane *lane, uint32_t k,
	uint16_t port, struct rte_mbuf *m, const uint8_t *start, uint32_t bytes)
{
	m->data_off = (uint16_t)(start - (const uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->hash.usr = 1; // DP_FRAME_FRAMES
	if (likely(lane->left == 0)) {
		dp_tx_put(w, port, m);
		return;
	}
	lane->out_at[lane->n_out] = lane->at[k];
	lane->out_port[lane->n_out] = (uint8_t)port;
	lane->out[lane->n_out++] = m;
}
