// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/ipudp.h"

#define IPV6_HOP_BY_HOP  0
#define IPV6_ROUTING     43
#define IPV6_FRAGMENT    44
#define IPV6_DESTINATION 60

#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_DONT_FRAGMENT  0x4000
#define IPV4_OFFSET_MASK    0x1fff
#define IP_MAX_BYTES        65535

// Where a walk over IPv6 extension headers ended.
struct ipv6_chain {
	uint8_t protocol;       // the first that is no extension header
	size_t at;              // where that one starts
	size_t fragment_header; // 0: none
};

// Ethernet and at most one tag. Sets l3_offset and vlan_tci; returns the Ethertype, -1 when short.
static int parse_ethernet(const uint8_t *frame, size_t len, struct tp_packet *p)
{
	p->vlan_tci = TP_VLAN_NONE;
	p->l3_offset = TP_ETHER_BYTES;
	if (len < TP_ETHER_BYTES)
		return -1;
	uint16_t ethertype = tp_rd16(frame + 12);
	if (ethertype != TP_ETHERTYPE_VLAN)
		return ethertype;
	if (len < TP_ETHER_BYTES + TP_VLAN_BYTES)
		return -1;
	p->vlan_tci = tp_rd16(frame + 14);
	p->l3_offset += TP_VLAN_BYTES;
	return tp_rd16(frame + 16);
}

// Fragment data that ends beyond the largest datagram, is empty, or is no multiple of eight with
// more to come (RFC 791, RFC 8200 section 4.5): no reassembly takes it.
static bool fragment_possible(const struct tp_packet *p, size_t header_bytes)
{
	size_t data = (size_t)p->l3_offset + p->l3_length - p->l4_offset;

	if (data == 0 || (p->more_fragments && data % 8 != 0))
		return false;
	return header_bytes + p->fragment_offset + data <= IP_MAX_BYTES;
}

static enum tp_parse_result parse_udp(const uint8_t *frame, struct tp_packet *p)
{
	size_t left = (size_t)p->l3_offset + p->l3_length - p->l4_offset;
	const uint8_t *udp = frame + p->l4_offset;

	if (left < TP_UDP_BYTES)
		return TP_PARSE_BAD_UDP;
	uint16_t length = tp_rd16(udp + 4), checksum = tp_raw16(udp + 6);
	if (length < TP_UDP_BYTES || length > left)
		return TP_PARSE_BAD_UDP;
	// RFC 8200 section 8.1.
	if (p->family == TP_FAMILY_IPV6 && checksum == 0)
		return TP_PARSE_BAD_UDP;
	p->src_port = tp_raw16(udp);
	p->dst_port = tp_raw16(udp + 2);
	p->udp_length = length;
	p->udp_checksum = checksum;
	p->payload_offset = p->l4_offset + TP_UDP_BYTES;
	p->payload_length = length - TP_UDP_BYTES;
	return TP_PARSE_OK;
}

static enum tp_parse_result parse_icmp(const uint8_t *frame, struct tp_packet *p)
{
	size_t left = (size_t)p->l3_offset + p->l3_length - p->l4_offset;

	if (left < TP_ICMP_BYTES)
		return TP_PARSE_SHORT;
	p->icmp_type = frame[p->l4_offset];
	p->icmp_code = frame[p->l4_offset + 1];
	p->payload_offset = p->l4_offset + TP_ICMP_BYTES;
	p->payload_length = (uint16_t)(left - TP_ICMP_BYTES);
	return TP_PARSE_OK;
}

static enum tp_parse_result parse_l4(const uint8_t *frame, struct tp_packet *p)
{
	if (p->protocol == TP_PROTO_UDP)
		return parse_udp(frame, p);
	if (p->protocol == (p->family == TP_FAMILY_IPV4 ? TP_PROTO_ICMP : TP_PROTO_ICMPV6))
		return parse_icmp(frame, p);
	return TP_PARSE_NOT_UDP;
}

static enum tp_parse_result parse_ipv4(const uint8_t *frame, size_t len, struct tp_packet *p)
{
	const uint8_t *ip = frame + p->l3_offset;
	size_t left = len - p->l3_offset;

	if (left < TP_IPV4_BYTES)
		return TP_PARSE_SHORT;
	size_t header = (ip[0] & 0x0f) * 4u, total = tp_rd16(ip + 2);
	if (ip[0] >> 4 != 4 || header < TP_IPV4_BYTES || total < header)
		return TP_PARSE_BAD_IP;
	if (total > left)
		return TP_PARSE_SHORT;
	if (tp_checksum(tp_sum_bytes(ip, header)) != 0)
		return TP_PARSE_BAD_IP;

	uint16_t fragment = tp_rd16(ip + 6);
	p->family = TP_FAMILY_IPV4;
	p->tos = ip[1];
	p->l3_length = (uint16_t)total;
	p->fragment_id = tp_rd16(ip + 4);
	p->fragment_offset = (uint16_t)((fragment & IPV4_OFFSET_MASK) * 8);
	p->more_fragments = (fragment & IPV4_MORE_FRAGMENTS) != 0;
	p->df = (fragment & IPV4_DONT_FRAGMENT) != 0;
	p->hop_limit = ip[8];
	p->protocol = ip[9];
	p->src_ip = ip + 12;
	p->dst_ip = ip + 16;
	p->l4_offset = (uint16_t)(p->l3_offset + header);
	if (!p->more_fragments && p->fragment_offset == 0)
		return parse_l4(frame, p);
	if (p->protocol != TP_PROTO_UDP)
		return TP_PARSE_NOT_UDP;
	return fragment_possible(p, header) ? TP_PARSE_FRAGMENT : TP_PARSE_BAD_IP;
}

// Walks from `at` (the header of type `next`) to the first header that is no extension, or to a
// fragment header that says there is more than this fragment; `end` is that of the IP packet. In a
// quotation, TP_PARSE_SHORT is what truncation looks like.
static enum tp_parse_result walk_extensions(
	const uint8_t *frame, uint8_t next, size_t at, size_t end, struct ipv6_chain *chain)
{
	*chain = (struct ipv6_chain){0};
	for (unsigned int n = 0;; n++) {
		chain->protocol = next;
		chain->at = at;
		if (next != IPV6_HOP_BY_HOP && next != IPV6_ROUTING && next != IPV6_FRAGMENT &&
			next != IPV6_DESTINATION)
			return TP_PARSE_OK;
		// RFC 8200 section 4.1: hop-by-hop comes first, one fragment header.
		if (n == TP_IPV6_MAX_EXTENSIONS || (next == IPV6_HOP_BY_HOP && n > 0) ||
			(next == IPV6_FRAGMENT && chain->fragment_header != 0))
			return TP_PARSE_BAD_IP;
		if (end - at < 8)
			return TP_PARSE_SHORT;
		size_t header = next == IPV6_FRAGMENT ? 8 : (frame[at + 1] + 1u) * 8;
		if (end - at < header)
			return TP_PARSE_SHORT;
		// RFC 5095, RFC 8200 section 4.4: we are no waypoint.
		if (next == IPV6_ROUTING && frame[at + 3] != 0)
			return TP_PARSE_BAD_IP;
		if (next == IPV6_FRAGMENT) {
			chain->fragment_header = at;
			// Offset zero and no more: an "atomic" fragment, a whole datagram
			// (RFC 6946).
			if ((tp_rd16(frame + at + 2) & 0xfff9) != 0) {
				chain->protocol = frame[at];
				chain->at = at + 8;
				return TP_PARSE_FRAGMENT;
			}
		}
		next = frame[at];
		at += header;
	}
}

static enum tp_parse_result parse_ipv6_fragment(const uint8_t *frame, struct tp_packet *p)
{
	const uint8_t *header = frame + p->fragment_header;
	uint16_t word = tp_rd16(header + 2);

	p->fragment_offset = word & 0xfff8;
	p->more_fragments = word & 1;
	p->fragment_id = tp_rd32(header + 4);
	// Extension headers may follow in the first fragment; the reassembled packet shows.
	if (p->protocol != TP_PROTO_UDP && p->protocol != IPV6_DESTINATION)
		return TP_PARSE_NOT_UDP;
	// What the reassembled payload length counts: extension headers before the fragment header.
	size_t unfragmentable = p->fragment_header - p->l3_offset - (size_t)TP_IPV6_BYTES;
	return fragment_possible(p, unfragmentable) ? TP_PARSE_FRAGMENT : TP_PARSE_BAD_IP;
}

static enum tp_parse_result parse_ipv6(const uint8_t *frame, size_t len, struct tp_packet *p)
{
	const uint8_t *ip = frame + p->l3_offset;
	size_t left = len - p->l3_offset;
	struct ipv6_chain chain;

	if (left < TP_IPV6_BYTES)
		return TP_PARSE_SHORT;
	size_t total = TP_IPV6_BYTES + (size_t)tp_rd16(ip + 4);
	if (ip[0] >> 4 != 6)
		return TP_PARSE_BAD_IP;
	if (total > left)
		return TP_PARSE_SHORT;

	p->family = TP_FAMILY_IPV6;
	p->tos = (uint8_t)(tp_rd16(ip) >> 4);
	p->l3_length = (uint16_t)total;
	p->hop_limit = ip[7];
	p->src_ip = ip + 8;
	p->dst_ip = ip + 24;
	enum tp_parse_result r = walk_extensions(
		frame, ip[6], p->l3_offset + (size_t)TP_IPV6_BYTES, p->l3_offset + total, &chain);
	p->protocol = chain.protocol;
	p->l4_offset = (uint16_t)chain.at;
	p->fragment_header = (uint16_t)chain.fragment_header;
	if (r == TP_PARSE_FRAGMENT)
		return parse_ipv6_fragment(frame, p);
	// Inside the IP packet a chain that does not fit is a wrong one, not a short frame.
	if (r != TP_PARSE_OK)
		return TP_PARSE_BAD_IP;
	return parse_l4(frame, p);
}

enum tp_parse_result tp_packet_parse_slow(const uint8_t *frame, size_t len, struct tp_packet *out)
{
	*out = (struct tp_packet){0};
	int ethertype = parse_ethernet(frame, len, out);
	// Offsets are 16 bits; what lies beyond is padding that no IP packet reaches, but for a
	// jumbo frame that no port of ours receives.
	if (len > UINT16_MAX)
		len = UINT16_MAX;
	switch (ethertype) {
	case -1:
		return TP_PARSE_SHORT;
	case TP_ETHERTYPE_IPV4:
		return parse_ipv4(frame, len, out);
	case TP_ETHERTYPE_IPV6:
		return parse_ipv6(frame, len, out);
	default:
		return TP_PARSE_NOT_IP;
	}
}

// The UDP header's place in a quoted IPv4 or IPv6 packet, which usually is cut off.
static enum tp_parse_result quoted_udp_at(
	const uint8_t *frame, uint8_t family, size_t at, size_t end, size_t *udp)
{
	const uint8_t *ip = frame + at;
	struct ipv6_chain chain;

	if (family == TP_FAMILY_IPV4) {
		if (end - at < TP_IPV4_BYTES)
			return TP_PARSE_SHORT;
		size_t header = (ip[0] & 0x0f) * 4u;
		if (ip[0] >> 4 != 4 || header < TP_IPV4_BYTES)
			return TP_PARSE_BAD_IP;
		if (ip[9] != TP_PROTO_UDP || (tp_rd16(ip + 6) & IPV4_OFFSET_MASK) != 0)
			return TP_PARSE_NOT_UDP;
		*udp = at + header;
		return TP_PARSE_OK;
	}
	if (end - at < TP_IPV6_BYTES)
		return TP_PARSE_SHORT;
	if (ip[0] >> 4 != 6)
		return TP_PARSE_BAD_IP;
	enum tp_parse_result r = walk_extensions(frame, ip[6], at + TP_IPV6_BYTES, end, &chain);
	// The first fragment quotes the ports as well.
	if (r == TP_PARSE_FRAGMENT && (tp_rd16(frame + chain.fragment_header + 2) & 0xfff8) == 0)
		r = TP_PARSE_OK;
	if (r != TP_PARSE_OK)
		return r == TP_PARSE_FRAGMENT ? TP_PARSE_NOT_UDP : r;
	*udp = chain.at;
	return chain.protocol == TP_PROTO_UDP ? TP_PARSE_OK : TP_PARSE_NOT_UDP;
}

enum tp_parse_result tp_packet_parse_quoted(
	const uint8_t *frame, const struct tp_packet *p, struct tp_quoted *out)
{
	size_t at = p->payload_offset, end = at + p->payload_length, udp;

	if (!tp_packet_is_icmp_error(p))
		return TP_PARSE_NOT_UDP;
	enum tp_parse_result r = quoted_udp_at(frame, p->family, at, end, &udp);
	if (r != TP_PARSE_OK)
		return r;
	if (udp > end || end - udp < TP_UDP_BYTES)
		return TP_PARSE_SHORT;
	bool v4 = p->family == TP_FAMILY_IPV4;
	*out = (struct tp_quoted){
		.src_ip = frame + at + (v4 ? 12 : 8),
		.dst_ip = frame + at + (v4 ? 16 : 24),
		.src_port = tp_raw16(frame + udp),
		.dst_port = tp_raw16(frame + udp + 2),
		.rest = tp_rd32(frame + p->l4_offset + 4),
	};
	return TP_PARSE_OK;
}

bool tp_packet_checksum_ok(const uint8_t *frame, const struct tp_packet *p)
{
	bool udp = p->protocol == TP_PROTO_UDP;
	uint16_t length = udp ? p->udp_length : p->payload_length + TP_ICMP_BYTES;

	if (udp && p->udp_checksum == 0)
		return true;
	uint64_t sum = tp_sum_bytes(frame + p->l4_offset, length);
	if (p->family == TP_FAMILY_IPV6)
		sum += tp_sum_pseudo6(p->src_ip, p->dst_ip, p->protocol, length);
	else if (udp) // ICMP has no pseudo header
		sum += tp_sum_pseudo4(p->src_ip, p->dst_ip, p->protocol, length);
	return tp_checksum(sum) == 0;
}

static struct tp_addr packet_addr(uint8_t family, const uint8_t *ip, uint16_t raw_port)
{
	struct tp_addr addr = {.ip.family = family, .port = be16toh(raw_port)};

	memcpy(addr.ip.bytes, ip, tp_ip_length(&addr.ip));
	return addr;
}

struct tp_addr tp_packet_source(const struct tp_packet *p)
{
	return packet_addr(p->family, p->src_ip, p->src_port);
}

struct tp_addr tp_packet_destination(const struct tp_packet *p)
{
	return packet_addr(p->family, p->dst_ip, p->dst_port);
}
