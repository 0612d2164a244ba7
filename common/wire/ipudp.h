// SPDX-License-Identifier: BSD-3-Clause
// A view of an Ethernet frame: at most one 802.1Q tag, IPv4 with options or IPv6 with a bounded
// chain of extension headers, UDP or ICMP. Nothing is copied; pointers point into the frame.
#pragma once

#include "common/base/addr.h"
#include "common/wire/csum.h"

#define TP_ETHERTYPE_IPV4 0x0800
#define TP_ETHERTYPE_IPV6 0x86dd
#define TP_ETHERTYPE_VLAN 0x8100

#define TP_ETHER_BYTES 14
#define TP_VLAN_BYTES  4
#define TP_IPV4_BYTES  20
#define TP_IPV6_BYTES  40
#define TP_UDP_BYTES   8
#define TP_ICMP_BYTES  8

#define TP_PROTO_ICMP   1
#define TP_PROTO_UDP    17
#define TP_PROTO_ICMPV6 58

#define TP_IPV6_MAX_EXTENSIONS 8      // headers between IPv6 and UDP; more: TP_PARSE_BAD_IP
#define TP_VLAN_NONE           0xffff // vlan_tci without a tag

enum tp_parse_result {
	TP_PARSE_OK = 0,   // a whole UDP datagram or ICMP message: every field is valid
	TP_PARSE_FRAGMENT, // of UDP: all but ports, udp_* and payload_*; L4 data from l4_offset
	TP_PARSE_SHORT,    // the frame ends before its headers or its IP length say
	TP_PARSE_NOT_IP,   // neither IPv4 nor IPv6, or more than one tag
	TP_PARSE_BAD_IP,   // version, lengths, checksum, fragment or extension headers impossible
	TP_PARSE_BAD_UDP,  // UDP length beyond the IP packet or below 8; IPv6 without checksum
	TP_PARSE_NOT_UDP,  // neither UDP nor the ICMP of its family; the IP fields are valid
};

// Offsets count from the first byte of the frame.
struct tp_packet {
	const uint8_t *src_ip; // 4 or 16 bytes
	const uint8_t *dst_ip;
	uint32_t fragment_id;     // IPv4 Identification, or the fragment header's; host order
	uint16_t fragment_offset; // of this fragment's data in the datagram, bytes
	uint16_t fragment_header; // offset of the IPv6 fragment header, 0 when there is none
	uint16_t vlan_tci;        // host order, or TP_VLAN_NONE
	uint16_t l3_offset;       // of the IP header; also the length of the link header
	uint16_t l3_length;       // of the IP packet, header included, Ethernet padding not
	uint16_t l4_offset;       // of UDP or ICMP, behind options and extension headers
	uint16_t src_port;        // network order, as in the packet
	uint16_t dst_port;        // network order
	uint16_t udp_length;      // the header's: UDP header and payload
	uint16_t udp_checksum;    // as in the packet; 0: none (IPv4 only)
	uint16_t payload_offset;  // behind the UDP or ICMP header
	uint16_t payload_length;  // UDP: udp_length - 8; ICMP: to the end of the IP packet
	uint8_t family;           // TP_FAMILY_*
	uint8_t protocol;         // TP_PROTO_* behind the extension headers
	uint8_t tos;              // IPv4 TOS, IPv6 traffic class: DSCP and ECN
	uint8_t hop_limit;
	uint8_t df; // IPv4 Don't Fragment
	uint8_t more_fragments;
	uint8_t icmp_type;
	uint8_t icmp_code;
};

// The general case of tp_packet_parse.
enum tp_parse_result tp_packet_parse_slow(const uint8_t *frame, size_t len, struct tp_packet *out);

// Parses a frame of `len` contiguous bytes at any alignment. A frame longer than its IP packet is
// normal (Ethernet padding), a UDP length shorter than the IP payload too (the rest is ignored, as
// Linux does). UDP and ICMP checksums are not verified, the IPv4 header's is. What the result does
// not promise is undefined. Any thread.
static inline enum tp_parse_result tp_packet_parse(
	const uint8_t *frame, size_t len, struct tp_packet *out)
{
	const size_t l3 = TP_ETHER_BYTES, l4 = l3 + TP_IPV4_BYTES;

	// Untagged IPv4 without options, no fragment, UDP. Whatever is not in order here goes
	// through the other, which finds its name.
	if (len < l4 + TP_UDP_BYTES || tp_rd16(frame + 12) != TP_ETHERTYPE_IPV4 ||
		frame[l3] != 0x45 || frame[l3 + 9] != TP_PROTO_UDP)
		return tp_packet_parse_slow(frame, len, out);
	uint16_t fragment = tp_rd16(frame + l3 + 6);
	uint16_t total = tp_rd16(frame + l3 + 2);
	uint16_t udp_length = tp_rd16(frame + l4 + 4);
	if ((fragment & 0x3fff) != 0 || total > len - l3 || udp_length < TP_UDP_BYTES ||
		total < udp_length + TP_IPV4_BYTES ||
		tp_checksum(tp_sum_bytes(frame + l3, 20)) != 0)
		return tp_packet_parse_slow(frame, len, out);
	*out = (struct tp_packet){
		.src_ip = frame + l3 + 12,
		.dst_ip = frame + l3 + 16,
		.fragment_id = tp_rd16(frame + l3 + 4),
		.vlan_tci = TP_VLAN_NONE,
		.l3_offset = (uint16_t)l3,
		.l3_length = total,
		.l4_offset = (uint16_t)l4,
		.src_port = tp_raw16(frame + l4),
		.dst_port = tp_raw16(frame + l4 + 2),
		.udp_length = udp_length,
		.udp_checksum = tp_raw16(frame + l4 + 6),
		.payload_offset = (uint16_t)(l4 + TP_UDP_BYTES),
		.payload_length = udp_length - TP_UDP_BYTES,
		.family = TP_FAMILY_IPV4,
		.protocol = TP_PROTO_UDP,
		.tos = frame[l3 + 1],
		.hop_limit = frame[l3 + 8],
		.df = fragment >> 14 & 1,
	};
	return TP_PARSE_OK;
}

// An ICMP error that TURN relays: ICMP 3 and 11, ICMPv6 1 to 3 (RFC 8656 section 11.5).
static inline bool tp_packet_is_icmp_error(const struct tp_packet *p)
{
	if (p->family == TP_FAMILY_IPV4)
		return p->protocol == TP_PROTO_ICMP && (p->icmp_type == 3 || p->icmp_type == 11);
	return p->protocol == TP_PROTO_ICMPV6 && p->icmp_type >= 1 && p->icmp_type <= 3;
}

// What an ICMP error quotes: the start of a UDP datagram that somebody sent.
struct tp_quoted {
	const uint8_t *src_ip; // of the quoted packet, family as the outer one
	const uint8_t *dst_ip;
	uint16_t src_port; // network order
	uint16_t dst_port;
	uint32_t rest; // second word of the ICMP header (next-hop MTU, ...), host order
};

// Parses the quotation of an ICMP error that tp_packet_parse accepted. TP_PARSE_OK; TP_PARSE_SHORT:
// it ends before the UDP header does; TP_PARSE_BAD_IP; TP_PARSE_NOT_UDP: no UDP, or not its first
// fragment. The quotation is not authentic: look up what it names before believing it.
enum tp_parse_result tp_packet_parse_quoted(
	const uint8_t *frame, const struct tp_packet *p, struct tp_quoted *out);

// The UDP or ICMP checksum over payload and pseudo header is right; a UDP checksum of zero (IPv4)
// is. For a packet that tp_packet_parse accepted.
bool tp_packet_checksum_ok(const uint8_t *frame, const struct tp_packet *p);

// Source and destination as values.
struct tp_addr tp_packet_source(const struct tp_packet *p);
struct tp_addr tp_packet_destination(const struct tp_packet *p);

static_assert(sizeof(struct tp_packet) == 56);
