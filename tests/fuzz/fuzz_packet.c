// SPDX-License-Identifier: BSD-3-Clause
// The frame parser, both ways through it, and what ICMP errors quote.
#include "common/wire/ipudp.h"
#include "tests/fuzz/fuzz.h"

static void check_ip(const uint8_t *data, size_t size, const struct tp_packet *p)
{
	size_t n = p->family == TP_FAMILY_IPV4 ? 4 : 16, end = (size_t)p->l3_offset + p->l3_length;

	FUZZ_CHECK(p->family == TP_FAMILY_IPV4 || p->family == TP_FAMILY_IPV6);
	FUZZ_CHECK(fuzz_inside(p->src_ip, n, data, size) && fuzz_inside(p->dst_ip, n, data, size));
	FUZZ_CHECK(p->l3_offset < p->l4_offset && p->l4_offset <= end && end <= size);
}

static void check_quoted(const uint8_t *data, size_t size, const struct tp_packet *p)
{
	size_t n = p->family == TP_FAMILY_IPV4 ? 4 : 16;
	struct tp_quoted q;

	if (tp_packet_parse_quoted(data, p, &q) != TP_PARSE_OK)
		return;
	FUZZ_CHECK(tp_packet_is_icmp_error(p));
	FUZZ_CHECK(fuzz_inside(q.src_ip, n, data + p->payload_offset, p->payload_length));
	FUZZ_CHECK(fuzz_inside(q.dst_ip, n, data + p->payload_offset, p->payload_length));
	if (p->family == TP_FAMILY_IPV6)
		fuzz_canary(data + size);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct tp_packet p, slow;
	enum tp_parse_result r = tp_packet_parse(data, size, &p);

	FUZZ_CHECK(r == tp_packet_parse_slow(data, size, &slow));
	if (r != TP_PARSE_OK && r != TP_PARSE_FRAGMENT && r != TP_PARSE_NOT_UDP)
		return;
	check_ip(data, size, &p);
	if (r != TP_PARSE_OK)
		return;
	FUZZ_CHECK(memcmp(&p, &slow, offsetof(struct tp_packet, icmp_code) + 1) == 0);
	FUZZ_CHECK(p.payload_offset == p.l4_offset + 8);
	FUZZ_CHECK(p.payload_offset + p.payload_length <= p.l3_offset + p.l3_length);
	tp_packet_checksum_ok(data, &p);
	struct tp_addr src = tp_packet_source(&p), dst = tp_packet_destination(&p);
	FUZZ_CHECK(src.ip.family == dst.ip.family && src.ip.family == p.family);
	check_quoted(data, size, &p);
}
