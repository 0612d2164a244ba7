// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/ipudp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/common/wire/packet_build.h"
#include "tests/unit/common/wire/random.h"

static enum tp_parse_result parse(const struct packet_build *b, struct tp_packet *p)
{
	return tp_packet_parse(b->bytes, b->length, p);
}

static void udp4(struct packet_build *b, size_t payload)
{
	pb_ethernet(b, -1);
	pb_ipv4(b, 17, 0);
	pb_udp(b, payload);
	pb_finish(b, b->l4 + 6);
}

static void udp6(struct packet_build *b, size_t payload)
{
	pb_ethernet(b, -1);
	pb_ipv6(b, 17);
	pb_udp(b, payload);
	pb_finish(b, b->l4 + 6);
}

// What every builder above makes, wherever the headers lie.
static void assert_udp(const struct packet_build *b, const struct tp_packet *p, size_t payload)
{
	char text[TP_ADDR_STRLEN];
	struct tp_addr src = tp_packet_source(p), dst = tp_packet_destination(p);

	assert_int_equal(p->family, b->v6 ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4);
	assert_string_equal(
		tp_addr_format(&src, text), b->v6 ? "[fd00:198:18::1]:5000" : "198.18.0.1:5000");
	assert_string_equal(
		tp_addr_format(&dst, text), b->v6 ? "[fd00:198:18::2]:3478" : "198.18.0.2:3478");
	assert_ptr_equal(p->src_ip, b->bytes + b->l3 + (b->v6 ? 8 : 12));
	assert_ptr_equal(p->dst_ip, b->bytes + b->l3 + (b->v6 ? 24 : 16));
	assert_int_equal(p->l3_offset, b->l3);
	assert_int_equal(p->l4_offset, b->l4);
	assert_int_equal(p->payload_offset, b->l4 + 8);
	assert_int_equal(p->payload_length, payload);
	assert_int_equal(p->udp_length, payload + 8);
	assert_int_equal(p->tos, 0xb9);
	assert_int_equal(p->hop_limit, 61);
	assert_int_equal(p->protocol, TP_PROTO_UDP);
	assert_int_equal(p->df, !b->v6);
	assert_int_equal(p->fragment_offset, 0);
	assert_int_equal(p->more_fragments, 0);
	assert_true(tp_packet_checksum_ok(b->bytes, p));
}

static void test_udp4(void **state)
{
	struct packet_build b;
	struct tp_packet p;

	for (size_t payload = 0; payload < 40; payload++) {
		udp4(&b, payload);
		assert_int_equal(parse(&b, &p), TP_PARSE_OK);
		assert_udp(&b, &p, payload);
		assert_int_equal(p.l3_length, 28 + payload);
		assert_int_equal(p.vlan_tci, TP_VLAN_NONE);
		assert_int_equal(p.fragment_id, 0x1234);
	}
}

static void test_tag_options_padding_and_extensions(void **state)
{
	static const uint8_t chain[] = {0, 60, 43, 60};
	struct packet_build b;
	struct tp_packet p;

	for (int mask = 0; mask < 64; mask++) {
		int tci = mask & 1 ? 0xe123 : -1;
		size_t n = (size_t)mask >> 2 & 3, payload = 13;
		pb_ethernet(&b, tci);
		if (mask & 2) {
			pb_ipv6(&b, 17);
			for (size_t i = 0; i <= n && mask & 16; i++)
				pb_extension(&b, chain[i], 8 * (i + 1));
		} else {
			pb_ipv4(&b, 17, n == 3 ? 40 : 4 * n);
		}
		pb_udp(&b, payload);
		pb_finish(&b, b.l4 + 6);
		size_t total = b.length - b.l3;
		b.length += mask & 32 ? 23 : 0; // Ethernet padding
		assert_int_equal(parse(&b, &p), TP_PARSE_OK);
		assert_udp(&b, &p, payload);
		assert_int_equal(p.l3_length, total);
		assert_int_equal(p.vlan_tci, tci < 0 ? TP_VLAN_NONE : tci);
	}
}

// Every shorter frame is an error, and none is read beyond its end (seen by the address sanitizer
// and by valgrind: the copy has exactly that size).
static void test_truncated_everywhere(void **state)
{
	struct packet_build b;
	struct tp_packet p;

	for (int v6 = 0; v6 < 2; v6++) {
		pb_ethernet(&b, 100);
		if (v6) {
			pb_ipv6(&b, 17);
			pb_extension(&b, 60, 16);
		} else {
			pb_ipv4(&b, 17, 8);
		}
		pb_udp(&b, 5);
		pb_finish(&b, b.l4 + 6);
		for (size_t len = 0; len <= b.length; len++) {
			uint8_t *copy = malloc(len ? len : 1);
			memcpy(copy, b.bytes, len);
			assert_int_equal(tp_packet_parse(copy, len, &p),
				len < b.length ? TP_PARSE_SHORT : TP_PARSE_OK);
			free(copy);
		}
	}
}

static void test_not_ip(void **state)
{
	static const uint16_t types[] = {0x0806, 0x88a8, 0x0000, 0x0026, 0xffff};
	struct packet_build b;
	struct tp_packet p;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		udp4(&b, 4);
		pb_u16(&b, 12, types[i]);
		assert_int_equal(parse(&b, &p), TP_PARSE_NOT_IP);
	}
	// Two tags.
	pb_ethernet(&b, 5);
	pb_u16(&b, 16, 0x8100);
	b.length += 60;
	assert_int_equal(parse(&b, &p), TP_PARSE_NOT_IP);
}

static void test_bad_ipv4_headers(void **state)
{
	struct packet_build b;
	struct tp_packet p;

	for (size_t bit = 0; bit < 160; bit++) { // any flipped bit: the checksum or a length tells
		udp4(&b, 4);
		b.bytes[b.l3 + bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		assert_int_not_equal(parse(&b, &p), TP_PARSE_OK);
	}
	for (uint8_t ihl = 0; ihl < 5; ihl++) {
		udp4(&b, 4);
		b.bytes[b.l3] = 0x40 | ihl;
		assert_int_equal(parse(&b, &p), TP_PARSE_BAD_IP);
	}
	udp4(&b, 4); // total length below the header's
	pb_u16(&b, b.l3 + 2, 19);
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_IP);
	udp4(&b, 4);
	b.bytes[b.l3] = 0x65;
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_IP);
}

static void test_udp_lengths(void **state)
{
	struct packet_build b;
	struct tp_packet p;

	for (unsigned int length = 0; length < 40; length++) {
		for (int v6 = 0; v6 < 2; v6++) {
			if (v6)
				udp6(&b, 20);
			else
				udp4(&b, 20);
			pb_u16(&b, b.l4 + 4, length);
			bool ok = length >= 8 && length <= 28;
			assert_int_equal(parse(&b, &p), ok ? TP_PARSE_OK : TP_PARSE_BAD_UDP);
			if (ok)
				assert_int_equal(p.payload_length, length - 8);
		}
	}
	udp4(&b, 0); // IP packet too small for a UDP header
	b.length -= 1;
	pb_finish(&b, 0);
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_UDP);
}

static void test_zero_checksum(void **state)
{
	struct packet_build b;
	struct tp_packet p;

	udp4(&b, 3);
	pb_u16(&b, b.l4 + 6, 0);
	assert_int_equal(parse(&b, &p), TP_PARSE_OK);
	assert_int_equal(p.udp_checksum, 0);
	assert_true(tp_packet_checksum_ok(b.bytes, &p));
	udp6(&b, 3);
	pb_u16(&b, b.l4 + 6, 0);
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_UDP);
}

static void test_checksum_sees_damage(void **state)
{
	struct packet_build b;
	struct tp_packet p;

	for (int v6 = 0; v6 < 2; v6++) {
		for (size_t i = 0; i < 5; i++) {
			if (v6)
				udp6(&b, 5);
			else
				udp4(&b, 5);
			b.bytes[b.l4 + 8 + i] ^= 0x40;
			assert_int_equal(parse(&b, &p), TP_PARSE_OK);
			assert_false(tp_packet_checksum_ok(b.bytes, &p));
		}
	}
}

static void test_other_protocols(void **state)
{
	static const uint8_t others[] = {6, 50, 51, 59, 132, 255};
	struct packet_build b;
	struct tp_packet p;

	for (size_t i = 0; i < sizeof(others); i++) {
		pb_ethernet(&b, -1);
		pb_ipv4(&b, others[i], 0);
		pb_udp(&b, 8);
		pb_finish(&b, 0);
		assert_int_equal(parse(&b, &p), TP_PARSE_NOT_UDP);
		assert_int_equal(p.protocol, others[i]);
		pb_ethernet(&b, -1);
		pb_ipv6(&b, others[i]);
		pb_udp(&b, 8);
		pb_finish(&b, 0);
		assert_int_equal(parse(&b, &p), TP_PARSE_NOT_UDP);
	}
	// ICMP of the other family.
	pb_ethernet(&b, -1);
	pb_ipv6(&b, 1);
	pb_udp(&b, 8);
	pb_finish(&b, 0);
	assert_int_equal(parse(&b, &p), TP_PARSE_NOT_UDP);
}

static void test_fragments4(void **state)
{
	static const struct {
		uint16_t word;
		size_t data;
		uint8_t protocol;
		enum tp_parse_result want;
	} cases[] = {{0x2000, 16, 17, TP_PARSE_FRAGMENT}, {0x2003, 16, 17, TP_PARSE_FRAGMENT},
		{0x0003, 5, 17, TP_PARSE_FRAGMENT}, {0x2000, 5, 17, TP_PARSE_BAD_IP},
		{0x2001, 0, 17, TP_PARSE_BAD_IP}, {0x0001, 0, 17, TP_PARSE_BAD_IP},
		{0x1fff, 100, 17, TP_PARSE_BAD_IP}, // ends beyond 65535
		{0x0003, 8, 6, TP_PARSE_NOT_UDP}, {0x8000, 16, 17, TP_PARSE_OK}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_build b;
		struct tp_packet p;
		pb_ethernet(&b, -1);
		pb_ipv4(&b, cases[i].protocol, 4);
		pb_udp(&b, 92);
		b.length = b.l4 + cases[i].data;
		pb_u16(&b, b.l4 + 4, (unsigned int)cases[i].data);
		pb_u16(&b, b.l3 + 6, cases[i].word);
		pb_finish(&b, 0);
		assert_int_equal(parse(&b, &p), cases[i].want);
		if (cases[i].want != TP_PARSE_FRAGMENT)
			continue;
		assert_int_equal(p.fragment_offset, (cases[i].word & 0x1fff) * 8);
		assert_int_equal(p.more_fragments, cases[i].word >> 13 & 1);
		assert_int_equal(p.fragment_id, 0x1234);
		assert_int_equal(p.l4_offset, b.l4);
		assert_int_equal(p.l3_length, 24 + cases[i].data);
	}
}

static void test_fragments6(void **state)
{
	static const struct {
		uint16_t word;
		size_t data;
		enum tp_parse_result want;
	} cases[] = {{0x0001, 16, TP_PARSE_FRAGMENT}, {0x0010, 5, TP_PARSE_FRAGMENT},
		{0x0019, 24, TP_PARSE_FRAGMENT}, {0x0001, 5, TP_PARSE_BAD_IP},
		{0x0011, 0, TP_PARSE_BAD_IP}, {0xfff8, 16, TP_PARSE_BAD_IP},
		{0x0000, 16, TP_PARSE_OK}, {0x0006, 16, TP_PARSE_OK}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet_build b;
		struct tp_packet p;
		pb_ethernet(&b, -1);
		pb_ipv6(&b, 17);
		pb_extension(&b, 60, 8);
		size_t at = pb_extension(&b, 44, 8);
		pb_u16(&b, at + 2, cases[i].word);
		pb_u16(&b, at + 4, 0xabcd);
		pb_u16(&b, at + 6, 0x0123);
		pb_udp(&b, 92);
		b.length = b.l4 + cases[i].data;
		pb_u16(&b, b.l4 + 4, (unsigned int)cases[i].data);
		pb_finish(&b, cases[i].want == TP_PARSE_OK ? b.l4 + 6 : 0);
		assert_int_equal(parse(&b, &p), cases[i].want);
		if (cases[i].want > TP_PARSE_FRAGMENT)
			continue;
		assert_int_equal(p.l4_offset, b.l4);
		assert_int_equal(p.fragment_header, at);
		if (cases[i].want != TP_PARSE_FRAGMENT)
			continue;
		assert_int_equal(p.fragment_offset, cases[i].word & 0xfff8);
		assert_int_equal(p.more_fragments, cases[i].word & 1);
		assert_int_equal(p.fragment_id, 0xabcd0123);
	}
}

static void test_extension_chains(void **state)
{
	struct packet_build b;
	struct tp_packet p;

	for (size_t n = 0; n < 20; n++) { // bounded
		pb_ethernet(&b, -1);
		pb_ipv6(&b, 17);
		for (size_t i = 0; i < n; i++)
			pb_extension(&b, 60, 8);
		pb_udp(&b, 4);
		pb_finish(&b, b.l4 + 6);
		assert_int_equal(
			parse(&b, &p), n <= TP_IPV6_MAX_EXTENSIONS ? TP_PARSE_OK : TP_PARSE_BAD_IP);
	}
	pb_ethernet(&b, -1); // hop-by-hop not first
	pb_ipv6(&b, 17);
	pb_extension(&b, 60, 8);
	pb_extension(&b, 0, 8);
	pb_udp(&b, 4);
	pb_finish(&b, b.l4 + 6);
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_IP);

	pb_ethernet(&b, -1); // two fragment headers
	pb_ipv6(&b, 17);
	pb_extension(&b, 44, 8);
	pb_extension(&b, 44, 8);
	pb_udp(&b, 4);
	pb_finish(&b, b.l4 + 6);
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_IP);

	pb_ethernet(&b, -1); // a routing header with a way left to go
	pb_ipv6(&b, 17);
	size_t at = pb_extension(&b, 43, 24);
	pb_udp(&b, 4);
	b.bytes[at + 3] = 1;
	pb_finish(&b, b.l4 + 6);
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_IP);

	pb_ethernet(&b, -1); // longer than the packet
	pb_ipv6(&b, 17);
	at = pb_extension(&b, 60, 8);
	pb_udp(&b, 4);
	b.bytes[at + 1] = 200;
	pb_finish(&b, 0);
	assert_int_equal(parse(&b, &p), TP_PARSE_BAD_IP);
}

// An ICMP error of the receiver about a datagram of ours, `quoted` bytes of it.
static void icmp_error(struct packet_build *b, bool v6, uint8_t type, size_t quoted)
{
	struct packet_build inner;

	if (v6)
		udp6(&inner, 32);
	else
		udp4(&inner, 32);
	pb_ethernet(b, -1);
	if (v6)
		pb_ipv6(b, 58);
	else
		pb_ipv4(b, 1, 0);
	b->bytes[b->length] = type;
	b->bytes[b->length + 1] = 4;
	pb_u16(b, b->length + 6, 1280);
	b->length += 8;
	pb_put(b, inner.bytes + inner.l3, quoted);
	pb_finish(b, b->l4 + 2);
}

static void test_icmp_quotes(void **state)
{
	struct packet_build b;
	struct tp_packet p;
	struct tp_quoted q;

	for (int v6 = 0; v6 < 2; v6++) {
		size_t header = v6 ? 40 : 20;
		for (size_t quoted = 0; quoted <= header + 40; quoted++) {
			icmp_error(&b, v6, v6 ? 2 : 3, quoted);
			assert_int_equal(parse(&b, &p), TP_PARSE_OK);
			assert_int_equal(p.icmp_type, v6 ? 2 : 3);
			assert_int_equal(p.icmp_code, 4);
			assert_int_equal(p.payload_length, quoted);
			assert_true(tp_packet_checksum_ok(b.bytes, &p));
			bool ok = quoted >= header + 8;
			assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q),
				ok ? TP_PARSE_OK : TP_PARSE_SHORT);
			if (!ok)
				continue;
			assert_int_equal(be16toh(q.src_port), 5000);
			assert_int_equal(be16toh(q.dst_port), 3478);
			assert_int_equal(q.rest, 1280);
			assert_memory_equal(q.src_ip, p.src_ip, v6 ? 16 : 4);
			assert_memory_equal(q.dst_ip, p.dst_ip, v6 ? 16 : 4);
			assert_true(q.src_ip > b.bytes + b.l4);
		}
	}
}

static void test_icmp_types(void **state)
{
	struct packet_build b;
	struct tp_packet p;
	struct tp_quoted q;

	for (int type = 0; type < 256; type++) {
		for (int v6 = 0; v6 < 2; v6++) {
			icmp_error(&b, v6, (uint8_t)type, 60);
			assert_int_equal(parse(&b, &p), TP_PARSE_OK);
			bool error = v6 ? type >= 1 && type <= 3 : type == 3 || type == 11;
			assert_int_equal(tp_packet_is_icmp_error(&p), error);
			assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q),
				error ? TP_PARSE_OK : TP_PARSE_NOT_UDP);
		}
	}
	pb_ethernet(&b, -1);
	pb_ipv4(&b, 1, 0);
	b.length += 7;
	pb_finish(&b, 0);
	assert_int_equal(parse(&b, &p), TP_PARSE_SHORT);
}

static void test_icmp_quotes_other_things(void **state)
{
	struct packet_build b;
	struct tp_packet p;
	struct tp_quoted q;
	size_t inner;

	icmp_error(&b, false, 3, 60);
	inner = b.l4 + 8;
	assert_int_equal(parse(&b, &p), TP_PARSE_OK);
	b.bytes[inner + 9] = 6; // TCP
	assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q), TP_PARSE_NOT_UDP);
	b.bytes[inner + 9] = 17;
	pb_u16(&b, inner + 6, 0x2001); // a later fragment
	assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q), TP_PARSE_NOT_UDP);
	pb_u16(&b, inner + 6, 0x2000); // the first one
	assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q), TP_PARSE_OK);
	b.bytes[inner] = 0x4f; // options beyond the quotation
	p.payload_length = 60;
	assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q), TP_PARSE_SHORT);
	b.bytes[inner] = 0x44;
	assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q), TP_PARSE_BAD_IP);
	b.bytes[inner] = 0x65;
	assert_int_equal(tp_packet_parse_quoted(b.bytes, &p, &q), TP_PARSE_BAD_IP);
}

// The shortcut and the general way agree on frames with a few bytes changed: same result, and the
// same view where there is one.
static void test_fast_equals_slow(void **state)
{
	const size_t view = offsetof(struct tp_packet, icmp_code) + 1;
	struct packet_build b;
	struct tp_packet fast, slow;
	uint64_t seed = 6;
	size_t seen[TP_PARSE_NOT_UDP + 1] = {0};

	for (int round = 0; round < 300000; round++) {
		if (round % 2)
			udp4(&b, random_next(&seed) % 32);
		else
			udp6(&b, random_next(&seed) % 32);
		for (uint32_t n = random_next(&seed) % 4; n > 0; n--)
			b.bytes[12 + random_next(&seed) % 40] = (uint8_t)random_next(&seed);
		if (round % 3 == 0)
			b.length = random_next(&seed) % (b.length + 8);
		// Make the changed header valid again half of the time, so that more gets through.
		if (round % 4 == 1 && (b.bytes[b.l3] & 15) >= 5) {
			size_t header = (b.bytes[b.l3] & 15) * 4u;
			pb_u16(&b, b.l3 + 10, 0);
			pb_u16(&b, b.l3 + 10, 0xffffu ^ oracle_sum(0, b.bytes + b.l3, header));
		}
		enum tp_parse_result r = parse(&b, &fast);
		assert_int_equal(r, tp_packet_parse_slow(b.bytes, b.length, &slow));
		if (r == TP_PARSE_OK)
			assert_memory_equal(&fast, &slow, view);
		seen[r]++;
	}
	for (size_t r = 0; r <= TP_PARSE_NOT_UDP; r++)
		assert_true(seen[r] > 100); // the test reaches all of them
}

static void test_any_alignment(void **state)
{
	struct packet_build b;
	struct tp_packet p, q;

	for (size_t offset = 0; offset < 8; offset++) {
		uint8_t *copy = malloc(256);
		udp6(&b, 9);
		memcpy(copy + offset, b.bytes, b.length);
		assert_int_equal(tp_packet_parse(copy + offset, b.length, &p), TP_PARSE_OK);
		assert_int_equal(parse(&b, &q), TP_PARSE_OK);
		assert_int_equal(p.payload_offset, q.payload_offset);
		assert_true(tp_packet_checksum_ok(copy + offset, &p));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp4),
		cmocka_unit_test(test_tag_options_padding_and_extensions),
		cmocka_unit_test(test_truncated_everywhere),
		cmocka_unit_test(test_not_ip),
		cmocka_unit_test(test_bad_ipv4_headers),
		cmocka_unit_test(test_udp_lengths),
		cmocka_unit_test(test_zero_checksum),
		cmocka_unit_test(test_checksum_sees_damage),
		cmocka_unit_test(test_other_protocols),
		cmocka_unit_test(test_fragments4),
		cmocka_unit_test(test_fragments6),
		cmocka_unit_test(test_extension_chains),
		cmocka_unit_test(test_icmp_quotes),
		cmocka_unit_test(test_icmp_types),
		cmocka_unit_test(test_icmp_quotes_other_things),
		cmocka_unit_test(test_fast_equals_slow),
		cmocka_unit_test(test_any_alignment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
