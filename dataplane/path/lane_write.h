// SPDX-License-Identifier: BSD-3-Clause
// The new headers of a datagram on the lane, put together in registers. Only lane*.c includes this.
#pragma once

#include "common/wire/ipudp.h"
#include "dataplane/path/count.h"
#include "dataplane/path/lane.h"
#include "dataplane/path/lane_sum.h"
#include "dataplane/path/state.h"
#include "dataplane/table/local_find.h"

#define DP_LANE_TYPE_IPV4 (UINT64_C(0x0008) << 48)
#define DP_LANE_TYPE_IPV6 (UINT64_C(0xdd86) << 48)
#define DP_LANE_KEPT      UINT32_C(0x10000)

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
	uint32_t tos_keep, tos_set;
	uint32_t hops_keep, hops_add;
	uint32_t ipv4_id;
	bool keep_ipv4_id;
};

// Everything that the headers are made of.
struct dp_lane_leaving {
	uint64_t mac_to, mac_from; // the latter's two high bytes are zero
	uint64_t sum;              // over the UDP payload
	uint64_t ports;            // source, then destination, as in the packet
	uint32_t length;           // of UDP
	uint32_t tos, hops, df;
	uint32_t kept_id; // DP_LANE_KEPT and the IPv4 ID of the datagram, as in the packet; 0: a
			  // new one
	bool zero_sum;
};

static inline void dp_lane_write_ethernet(
	const struct dp_lane_leaving *l, uint8_t *at, uint64_t type)
{
	dp_store64(at, l->mac_to);
	dp_store64(at + 6, l->mac_from | type);
}

// `sum`: over addresses.
static inline uint32_t dp_lane_udp_word(const struct dp_lane_leaving *l, uint64_t sum)
{
	uint32_t length = dp_lane_swap16(l->length);
	uint16_t checksum = (uint16_t)~dp_lane_fold(
		l->sum + sum + l->ports + 2 * (uint64_t)length + DP_LANE_UDP_WORD);

	checksum = checksum == 0 ? 0xffff : checksum;
	if (unlikely(l->zero_sum))
		checksum = 0;
	return length | (uint32_t)checksum << 16;
}

// Both end where `data` begins, and return where the frame does.
static __rte_always_inline uint8_t *dp_lane_write_ipv4(struct dp_lane_burst *b,
	const struct dp_lane_leaving *l, const struct dp_local *from, const uint8_t *to,
	uint8_t *data)
{
	uint8_t *at = data - TP_UDP_BYTES - TP_IPV4_BYTES - TP_ETHER_BYTES;
	uint32_t source = dp_load32(from->address.bytes), destination = dp_load32(to);
	uint32_t first = 0x45 | l->tos << 8 | dp_lane_swap16(TP_IPV4_BYTES + l->length) << 16;
	uint32_t id = unlikely(l->kept_id) ? l->kept_id & UINT16_MAX : dp_lane_swap16(b->ipv4_id++);
	uint32_t second = id | l->df << 16;
	uint32_t third = l->hops | DP_LANE_UDP_WORD;
	uint64_t addresses = (uint64_t)source + destination;
	uint32_t checksum = dp_lane_fold(addresses + first + second + third) ^ 0xffff;

	dp_lane_write_ethernet(l, at, DP_LANE_TYPE_IPV4);
	dp_store32(at + TP_ETHER_BYTES, first);
	dp_store32(at + TP_ETHER_BYTES + 4, second);
	dp_store32(at + TP_ETHER_BYTES + 8, third | checksum << 16);
	dp_store32(at + TP_ETHER_BYTES + 12, source);
	dp_store64(at + TP_ETHER_BYTES + 16, destination | l->ports << 32);
	dp_store32(at + TP_ETHER_BYTES + TP_IPV4_BYTES + 4, dp_lane_udp_word(l, addresses));
	return at;
}

static __rte_always_inline uint8_t *dp_lane_write_ipv6(const struct dp_lane_leaving *l,
	const struct dp_local *from, const uint8_t *to, uint8_t *data)
{
	uint8_t *at = data - TP_UDP_BYTES - TP_IPV6_BYTES - TP_ETHER_BYTES,
		*ip = at + TP_ETHER_BYTES;

	dp_lane_write_ethernet(l, at, DP_LANE_TYPE_IPV6);
	dp_store32(ip, __builtin_bswap32(UINT32_C(6) << 28 | l->tos << 20));
	dp_store32(ip + 4, dp_lane_swap16(l->length) | (uint32_t)IPPROTO_UDP << 16 | l->hops << 24);
	memcpy(ip + 8, from->address.bytes, 16);
	memcpy(ip + 24, to, 16);
	dp_store32(ip + TP_IPV6_BYTES, (uint32_t)l->ports);
	dp_store32(ip + TP_IPV6_BYTES + 4,
		dp_lane_udp_word(l, from->source_sum + dp_lane_sum_ipv6(to)));
	return at;
}

// The datagram is complete: it stands for itself.
static __rte_always_inline void dp_lane_leave(struct dp_lane *lane, uint8_t port,
	struct rte_mbuf *m, const uint8_t *start, uint32_t bytes)
{
	m->data_off = (uint16_t)(start - (const uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->hash.usr = 1; // DP_FRAME_FRAMES
	lane->out_port[lane->n_out] = port;
	lane->out[lane->n_out] = m;
}
