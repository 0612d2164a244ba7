// SPDX-License-Identifier: BSD-3-Clause
// A packet on its way through the steps, and the batch of them that a worker has in hand. Steps
// share nothing else: each reads what earlier ones filled in and says by the verdict who is next.
#pragma once

#include <rte_mbuf.h>

#include "common/abi/stats.h"
#include "common/wire/ipudp.h"
#include "dataplane/dp.h"
#include "dataplane/path/verdict.h"

#define DP_PACKET_PROVEN      0x01 // request with a nonce of ours, path/proof.h
#define DP_PACKET_ZERO_SUM    0x02 // IPv4 source sent no UDP checksum
#define DP_PACKET_FRAGMENTED  0x04 // came in fragments
#define DP_PACKET_HAIRPIN     0x08 // went through one hairpin
#define DP_PACKET_MADE        0x10 // payload made here: full checksum, own hop limit
#define DP_PACKET_SEND_DF     0x20 // Send indication with DONT-FRAGMENT
#define DP_PACKET_FINGERPRINT 0x40 // STUN request with FINGERPRINT
#define DP_PACKET_REFLECT     0x80 // mac, out_port, vlan, mtu hold without a next hop

// What a packet or frame stands for in the books; goes with the frame in mbuf.hash.usr.
#define DP_FRAME_FRAMES   0xffff  // received frames it settles; 0 for made ones and later fragments
#define DP_FRAME_INJECTED 0x10000 // a datagram of control
#define DP_FRAME_OWN      0x20000 // an ICMP error of ours
#define DP_FRAME_REST     0x40000 // a later fragment of a datagram made here: counts nowhere

// What stands between the UDP header and the application data of a packet to a client.
enum dp_prefix {
	DP_PREFIX_NONE,
	DP_PREFIX_CHANNEL, // ChannelData header
	DP_PREFIX_DATA,    // Data indication: XOR-PEER-ADDRESS and the header of DATA
	DP_PREFIX_ICMP,    // Data indication: XOR-PEER-ADDRESS and ICMP, no data
};

struct dp_packet {
	struct rte_mbuf *m;
	struct dp_flow *flow;   // result of the last lookup
	struct dp_flow_key key; // of the next lookup; ip and port: the remote end, from parse on
	struct tp_packet in;    // as received

	// Ones' complement sum over the UDP payload as the sender's checksum claims it, 16 bits in
	// memory order (path/checksum.h); over what was taken off it so far no more.
	uint32_t sum;
	uint32_t stands_for;     // DP_FRAME_*: what the books say about it
	uint16_t payload;        // offset of the application data in the mbuf's data
	uint16_t payload_length; // bytes; may go on in further segments
	uint16_t local;          // its destination, index of a local address
	uint16_t listener;       // DP_LISTENER_NONE unless it went to one
	uint8_t hop_limit;
	uint8_t flags;   // DP_PACKET_*
	uint8_t verdict; // enum dp_verdict
	uint8_t reason;  // enum tp_drop_reason with DP_VERDICT_DROP and _TELL_SENDER

	// Decided by the relay steps: how it leaves.
	uint8_t out_family;
	uint8_t prefix; // enum dp_prefix
	uint16_t channel;
	uint16_t out_local; // source address
	rte_be16_t out_source_port;
	rte_be16_t out_destination_port;
	const uint8_t *out_ip; // destination
	uint16_t next_hop;

	// Decided by next_hop.
	uint8_t out_port; // index in dp.ports
	uint16_t vlan;    // 0xffff untagged
	uint16_t mtu;
	uint64_t mac; // destination, bytes 0..5 in memory order

	// For a Data indication: the peer shown, and of an ICMP error its fields.
	const uint8_t *shown_ip;
	rte_be16_t shown_port;
	uint8_t icmp_type;
	uint8_t icmp_code;
	rte_be32_t icmp_data;
	struct dp_flow *alloc; // STUN: of the five-tuple, when known
	uint16_t peer_local;   // Send: the peer as one of our addresses, or DP_LOCAL_NONE
};

struct dp_batch {
	uint64_t now_ns;
	uint32_t seen; // DP_VERDICT_BIT of every verdict given
	uint16_t n;
	uint16_t in_port; // index in dp.ports
	struct dp_packet packet[DP_BURST];
};

static inline void dp_packet_next(struct dp_batch *b, struct dp_packet *p, enum dp_verdict verdict)
{
	p->verdict = (uint8_t)verdict;
	b->seen |= DP_VERDICT_BIT(verdict);
}

static inline void dp_packet_drop(
	struct dp_batch *b, struct dp_packet *p, enum tp_drop_reason reason)
{
	p->reason = (uint8_t)reason;
	dp_packet_next(b, p, DP_VERDICT_DROP);
}

static inline bool dp_batch_has(const struct dp_batch *b, enum dp_verdict verdict)
{
	return (b->seen & DP_VERDICT_BIT(verdict)) != 0;
}

static inline uint8_t *dp_packet_at(const struct dp_packet *p, uint32_t offset)
{
	return rte_pktmbuf_mtod_offset(p->m, uint8_t *, offset);
}

// Bytes that a prefix takes; a Data indication shows an address of the relayed family.
static inline uint32_t dp_prefix_bytes(enum dp_prefix prefix, uint8_t shown_family)
{
	uint32_t address = shown_family == TP_FAMILY_IPV4 ? 12 : 24;

	switch (prefix) {
	case DP_PREFIX_CHANNEL:
		return 4;
	case DP_PREFIX_DATA:
		return 20 + address + 4;
	case DP_PREFIX_ICMP:
		return 20 + address + 12;
	default:
		return 0;
	}
}

// Zero bytes after the data of a Data indication (RFC 8489 section 14).
static inline uint32_t dp_prefix_padding(const struct dp_packet *p)
{
	return p->prefix == DP_PREFIX_DATA ? -(uint32_t)p->payload_length & 3 : 0;
}

static inline uint32_t dp_ip_header_bytes(uint8_t family)
{
	return family == TP_FAMILY_IPV4 ? 20 : 40;
}
