// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <cmocka.h>

static struct tp_ip ip_of(const char *text)
{
	struct tp_ip ip;
	assert_int_equal(tp_ip_parse(text, &ip), 0);
	return ip;
}

static void test_parse_literals(void **state)
{
	struct tp_ip ip = ip_of("198.18.0.2");
	const uint8_t v4[16] = {198, 18, 0, 2};
	const uint8_t v6[16] = {0xfd, 0, 0x01, 0x98, 0, 0x18, [15] = 2};

	assert_int_equal(ip.family, TP_FAMILY_IPV4);
	assert_memory_equal(ip.bytes, v4, 16);
	struct tp_ip made = tp_ip4(0xc6120002);
	assert_true(tp_ip_equal(&ip, &made));
	ip = ip_of("fd00:198:18::2");
	assert_int_equal(ip.family, TP_FAMILY_IPV6);
	assert_memory_equal(ip.bytes, v6, 16);
}

static void test_parse_refuses_what_is_no_literal(void **state)
{
	static const char *const bad[] = {"", " ", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ",
		"01.2.3.4x", "[::1]", "::1%lo", "1.2.3.4:80", ":::", "12345::", "localhost", "-"};
	struct tp_ip ip = tp_ip4(7), before = ip;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(tp_ip_parse(bad[i], &ip), -EINVAL);
		assert_true(tp_ip_equal(&ip, &before)); // untouched on failure
	}
}

static void test_prefix_accepts(void **state)
{
	static const struct {
		const char *text, *address;
		uint8_t bits;
	} good[] = {{"198.18.0.0/15", "198.18.0.0", 15}, {"198.18.0.2", "198.18.0.2", 32},
		{"0.0.0.0/0", "0.0.0.0", 0}, {"10.0.0.1/32", "10.0.0.1", 32}, {"::/0", "::", 0},
		{"fd00:198:18::/48", "fd00:198:18::", 48}, {"::1", "::1", 128},
		{"2001:db8::8000:0:0:0/65", "2001:db8::8000:0:0:0", 65}, {"::1/128", "::1", 128}};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct tp_ip ip, want = ip_of(good[i].address);
		uint8_t bits = 0xff;
		assert_int_equal(tp_prefix_parse(good[i].text, &ip, &bits), 0);
		assert_true(tp_ip_equal(&ip, &want));
		assert_int_equal(bits, good[i].bits);
	}
}

static void test_prefix_refuses(void **state)
{
	static const char *const not_a_prefix[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/ 8",
		"10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/0008",
		"10.0.0.0/8x", "10/8",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/8"};
	static const char *const out_of_range[] = {"10.0.0.0/33", "::/129", "::/999", "10.0.0.1/31",
		"198.19.0.0/14", "fd00::1/127", "fd00:8000::/16", "0.0.0.1/0"};
	struct tp_ip ip;
	uint8_t bits;

	for (size_t i = 0; i < sizeof(not_a_prefix) / sizeof(not_a_prefix[0]); i++)
		assert_int_equal(tp_prefix_parse(not_a_prefix[i], &ip, &bits), -EINVAL);
	for (size_t i = 0; i < sizeof(out_of_range) / sizeof(out_of_range[0]); i++)
		assert_int_equal(tp_prefix_parse(out_of_range[i], &ip, &bits), -ERANGE);
}

// Bit by bit, the slow way.
static bool in_prefix_oracle(const struct tp_ip *ip, const struct tp_ip *prefix, unsigned int bits)
{
	if (ip->family != prefix->family || bits > tp_ip_length(ip) * 8)
		return false;
	for (unsigned int b = 0; b < bits; b++) {
		if ((ip->bytes[b / 8] >> (7 - b % 8) & 1) !=
			(prefix->bytes[b / 8] >> (7 - b % 8) & 1))
			return false;
	}
	return true;
}

static void test_in_prefix_against_oracle(void **state)
{
	static const char *const texts[] = {"198.18.0.2", "198.19.255.255", "0.0.0.0",
		"255.255.255.255", "fd00:198:18::2", "fd00:198:18::8002",
		"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
	const size_t n = sizeof(texts) / sizeof(texts[0]);

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			struct tp_ip a = ip_of(texts[i]), b = ip_of(texts[j]);
			for (unsigned int bits = 0; bits <= 129; bits++)
				assert_int_equal(tp_ip_in_prefix(&a, &b, (uint8_t)bits),
					in_prefix_oracle(&a, &b, bits));
		}
	}
}

static void test_format(void **state)
{
	char out[TP_ADDR_STRLEN];
	struct tp_addr addr = {.ip = ip_of("198.18.0.2"), .port = 3478};

	assert_string_equal(tp_ip_format(&addr.ip, out), "198.18.0.2");
	assert_string_equal(tp_addr_format(&addr, out), "198.18.0.2:3478");
	addr.ip = ip_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe");
	addr.port = 65535;
	assert_string_equal(
		tp_addr_format(&addr, out), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535");
	addr.ip = ip_of("::ffff:255.255.255.255");
	assert_string_equal(tp_addr_format(&addr, out), "[::ffff:255.255.255.255]:65535");
	memset(&addr, 0, sizeof(addr));
	assert_string_equal(tp_ip_format(&addr.ip, out), "-");
	assert_string_equal(tp_addr_format(&addr, out), "-");
}

static void test_sockaddr_round_trip(void **state)
{
	static const char *const texts[] = {"198.18.0.2", "fd00:198:18::2"};

	for (size_t i = 0; i < 2; i++) {
		struct tp_addr addr = {.ip = ip_of(texts[i]), .port = 3478}, back;
		struct sockaddr_storage sa;
		memset(&back, 0xff, sizeof(back));
		assert_int_equal(tp_addr_to_sockaddr(&addr, &sa),
			i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_int_equal(tp_addr_from_sockaddr(&sa, &back), 0);
		assert_true(tp_addr_equal(&addr, &back));
	}
}

static void test_sockaddr_mapped_becomes_ipv4(void **state)
{
	struct tp_addr mapped = {.ip = ip_of("::ffff:198.18.0.2"), .port = 9}, back;
	struct tp_addr want = {.ip = ip_of("198.18.0.2"), .port = 9};
	struct sockaddr_storage sa;

	tp_addr_to_sockaddr(&mapped, &sa);
	assert_int_equal(tp_addr_from_sockaddr(&sa, &back), 0);
	assert_true(tp_addr_equal(&back, &want));
}

static void test_sockaddr_other_families(void **state)
{
	struct sockaddr_storage sa = {.ss_family = AF_UNIX};
	struct tp_addr addr = {0};

	assert_int_equal(tp_addr_from_sockaddr(&sa, &addr), -EAFNOSUPPORT);
	assert_int_equal(tp_addr_to_sockaddr(&addr, &sa), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_literals),
		cmocka_unit_test(test_parse_refuses_what_is_no_literal),
		cmocka_unit_test(test_prefix_accepts),
		cmocka_unit_test(test_prefix_refuses),
		cmocka_unit_test(test_in_prefix_against_oracle),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_sockaddr_round_trip),
		cmocka_unit_test(test_sockaddr_mapped_becomes_ipv4),
		cmocka_unit_test(test_sockaddr_other_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
