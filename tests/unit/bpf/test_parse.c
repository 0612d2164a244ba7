// SPDX-License-Identifier: BSD-3-Clause
// The parser of the steering programs on hand-made frames, each also cut at every length.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "bpf/parse.h"
#include "common/base/bytes.h"

struct frame {
	uint8_t bytes[512];
	size_t len;
};

static void put(struct frame *f, const void *data, size_t len)
{
	assert_true(f->len + len <= sizeof(f->bytes));
	memcpy(f->bytes + f->len, data, len);
	f->len += len;
}

static void put_ethernet(struct frame *f, int tags, uint16_t type)
{
	uint8_t header[14 + 2 * 4] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	uint8_t *p = header + 12;

	for (int i = 0; i < tags; i++, p += 4) {
		tp_wr16(p, 0x8100);
		tp_wr16(p + 2, 7);
	}
	tp_wr16(p, type);
	put(f, header, (size_t)(p + 2 - header));
}

static void put_ipv4(struct frame *f, uint8_t protocol, uint16_t fragment, unsigned int words,
	const char *source, const char *destination)
{
	uint8_t header[60] = {0};

	header[0] = (uint8_t)(0x40 | words);
	tp_wr16(header + 6, fragment);
	header[8] = 64;
	header[9] = protocol;
	assert_int_equal(inet_pton(AF_INET, source, header + 12), 1);
	assert_int_equal(inet_pton(AF_INET, destination, header + 16), 1);
	put(f, header, words * 4);
}

static void put_ipv6(struct frame *f, uint8_t next, const char *source, const char *destination)
{
	uint8_t header[40] = {0x60};

	header[6] = next;
	header[7] = 64;
	assert_int_equal(inet_pton(AF_INET6, source, header + 8), 1);
	assert_int_equal(inet_pton(AF_INET6, destination, header + 24), 1);
	put(f, header, sizeof(header));
}

static void put_extension(struct frame *f, uint8_t next, uint8_t eights)
{
	uint8_t header[64] = {next, eights};

	put(f, header, (eights + 1u) * 8);
}

static void put_fragment_header(struct frame *f, uint8_t next, uint16_t offset_and_more)
{
	uint8_t header[8] = {next};

	tp_wr16(header + 2, offset_and_more);
	put(f, header, sizeof(header));
}

static void put_udp(struct frame *f, uint16_t source, uint16_t destination)
{
	uint8_t header[8] = {0};

	tp_wr16(header, source);
	tp_wr16(header + 2, destination);
	tp_wr16(header + 4, 8);
	put(f, header, sizeof(header));
}

static void put_icmp(struct frame *f, uint8_t type)
{
	uint8_t header[8] = {type};

	put(f, header, sizeof(header));
}

// Parses an exact-size copy at an odd address, so that a sanitizer sees any byte read too many.
static enum steer_kind parse(const struct frame *f, size_t len, int tags, struct steer_seen *seen)
{
	uint8_t *copy = malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy + 1, f->bytes, len);
	memset(seen, 0, sizeof(*seen));
	enum steer_kind kind = steer_parse(copy + 1, copy + 1 + len, tags, seen);
	free(copy);
	return kind;
}

// The frame is `kind` about address (of `family`) and port, and a cut one is never taken for it.
static void check(const struct frame *f, size_t needed, enum steer_kind kind, int family,
	const char *address, uint16_t port)
{
	struct steer_seen seen;
	uint8_t expected[16] = {0};

	assert_int_equal(parse(f, f->len, 1, &seen), kind);
	assert_int_equal(seen.family, family);
	assert_int_equal(inet_pton(family == 4 ? AF_INET : AF_INET6, address, expected), 1);
	assert_memory_equal(seen.address, expected, sizeof(expected));
	assert_int_equal(ntohs(seen.port), port);
	for (size_t len = 0; len < needed; len++)
		assert_int_equal(parse(f, len, 1, &seen), STEER_SHORT);
	assert_int_equal(parse(f, needed, 1, &seen), kind);
}

static void refuse(const struct frame *f)
{
	struct steer_seen seen;

	assert_int_equal(parse(f, f->len, 1, &seen), STEER_OTHER);
}

static void udp_over_ipv4_with_and_without_options_and_tag(void **state)
{
	for (int tags = 0; tags < 2; tags++) {
		for (unsigned int words = 5; words <= 15; words++) {
			struct frame f = {0};
			put_ethernet(&f, tags, 0x0800);
			put_ipv4(&f, 17, 0x4000, words, "192.0.2.1", "198.18.0.2");
			put_udp(&f, 5000, 3478);
			check(&f, f.len, STEER_UDP, 4, "198.18.0.2", 3478);
		}
	}
}

static void a_second_tag_is_not_ours(void **state)
{
	struct frame f = {0};
	struct steer_seen seen;

	put_ethernet(&f, 2, 0x0800);
	put_ipv4(&f, 17, 0, 5, "192.0.2.1", "198.18.0.2");
	put_udp(&f, 5000, 3478);
	refuse(&f);

	f.len = 0;
	put_ethernet(&f, 1, 0x0800);
	put_ipv4(&f, 17, 0, 5, "192.0.2.1", "198.18.0.2");
	put_udp(&f, 5000, 3478);
	assert_int_equal(parse(&f, f.len, 0, &seen), STEER_OTHER);
}

static void udp_over_ipv6_behind_extension_headers(void **state)
{
	struct frame f = {0};
	put_ethernet(&f, 0, 0x86dd);
	put_ipv6(&f, 0, "fd00::1", "fd00:198:18::2");
	put_extension(&f, 60, 0);
	put_extension(&f, 43, 2);
	put_extension(&f, 17, 1);
	put_udp(&f, 5000, 49152);
	check(&f, f.len, STEER_UDP, 6, "fd00:198:18::2", 49152);
}

static void too_many_extension_headers_stay_with_the_kernel(void **state)
{
	struct frame f = {0};
	put_ethernet(&f, 0, 0x86dd);
	put_ipv6(&f, 60, "fd00::1", "fd00:198:18::2");
	for (int i = 0; i < STEER_MAX_EXTENSIONS; i++)
		put_extension(&f, 60, 0);
	put_extension(&f, 17, 0);
	put_udp(&f, 5000, 49152);
	refuse(&f);
}

static void fragments_are_known_by_address_alone(void **state)
{
	static const uint16_t fields[] = {0x2000, 0x2005, 0x0005, 0x1fff};

	for (size_t i = 0; i < 4; i++) {
		struct frame f = {0};
		put_ethernet(&f, 1, 0x0800);
		put_ipv4(&f, 17, fields[i], 5, "192.0.2.1", "198.18.0.2");
		check(&f, f.len, STEER_FRAGMENT, 4, "198.18.0.2", 0);
	}
	for (size_t i = 0; i < 3; i++) {
		static const uint16_t places[] = {0x0001, 0x0009, 0x0008};
		struct frame f = {0};
		put_ethernet(&f, 0, 0x86dd);
		put_ipv6(&f, 60, "fd00::1", "fd00:198:18::2");
		put_extension(&f, 44, 0);
		put_fragment_header(&f, 17, places[i]);
		check(&f, f.len, STEER_FRAGMENT, 6, "fd00:198:18::2", 0);
	}
}

static void fragments_of_other_protocols_stay_with_the_kernel(void **state)
{
	struct frame f = {0};
	put_ethernet(&f, 0, 0x0800);
	put_ipv4(&f, 1, 0x2000, 5, "192.0.2.1", "198.18.0.2");
	put_icmp(&f, 3);
	refuse(&f);

	f.len = 0;
	put_ethernet(&f, 0, 0x86dd);
	put_ipv6(&f, 44, "fd00::1", "fd00:198:18::2");
	put_fragment_header(&f, 6, 1);
	put_udp(&f, 1, 2);
	refuse(&f);
}

static void icmp_errors_show_the_quoted_source(void **state)
{
	static const uint8_t types4[] = {3, 11}, types6[] = {1, 2, 3};

	for (size_t i = 0; i < 2; i++) {
		struct frame f = {0};
		put_ethernet(&f, 1, 0x0800);
		put_ipv4(&f, 1, 0, 6, "192.0.2.9", "198.18.0.2");
		put_icmp(&f, types4[i]);
		put_ipv4(&f, 17, 0x4000, 7, "198.18.0.2", "192.0.2.1");
		put_udp(&f, 50000, 7000);
		check(&f, f.len - 4, STEER_QUOTE, 4, "198.18.0.2", 50000);
	}
	for (size_t i = 0; i < 3; i++) {
		struct frame f = {0};
		put_ethernet(&f, 0, 0x86dd);
		put_ipv6(&f, 60, "fd00::9", "fd00:198:18::2");
		put_extension(&f, 58, 0);
		put_icmp(&f, types6[i]);
		put_ipv6(&f, 0, "fd00:198:18::2", "fd00::1");
		put_extension(&f, 44, 0);
		put_fragment_header(&f, 17, 1); // quoted first fragment: the ports are there
		put_udp(&f, 50000, 7000);
		check(&f, f.len - 4, STEER_QUOTE, 6, "fd00:198:18::2", 50000);
	}
}

static void icmp_without_ports_or_of_other_types_stays_with_the_kernel(void **state)
{
	struct frame f = {0};
	put_ethernet(&f, 0, 0x0800);
	put_ipv4(&f, 1, 0, 5, "192.0.2.9", "198.18.0.2");
	put_icmp(&f, 8); // echo request
	put_ipv4(&f, 17, 0, 5, "198.18.0.2", "192.0.2.1");
	put_udp(&f, 50000, 7000);
	refuse(&f);

	f.len = 0;
	put_ethernet(&f, 0, 0x0800);
	put_ipv4(&f, 1, 0, 5, "192.0.2.9", "198.18.0.2");
	put_icmp(&f, 3);
	put_ipv4(&f, 17, 0x0005, 5, "198.18.0.2", "192.0.2.1"); // a later fragment
	put_udp(&f, 50000, 7000);
	refuse(&f);

	f.len = 0;
	put_ethernet(&f, 0, 0x86dd);
	put_ipv6(&f, 58, "fd00::9", "fd00:198:18::2");
	put_icmp(&f, 3);
	put_ipv6(&f, 44, "fd00:198:18::2", "fd00::1");
	put_fragment_header(&f, 17, 0x0008);
	put_udp(&f, 50000, 7000);
	refuse(&f);
}

static void malformed_headers_stay_with_the_kernel(void **state)
{
	struct frame f = {0};
	put_ethernet(&f, 0, 0x0800);
	put_ipv4(&f, 17, 0, 5, "192.0.2.9", "198.18.0.2");
	put_udp(&f, 1, 3478);
	f.bytes[14] = 0x44; // header of 16 bytes
	refuse(&f);
	f.bytes[14] = 0x65; // version 6 under the ethertype of IPv4
	refuse(&f);

	f.len = 0;
	put_ethernet(&f, 0, 0x86dd);
	put_ipv6(&f, 17, "fd00::9", "fd00:198:18::2");
	put_udp(&f, 1, 3478);
	f.bytes[14] = 0x40;
	refuse(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_over_ipv4_with_and_without_options_and_tag),
		cmocka_unit_test(a_second_tag_is_not_ours),
		cmocka_unit_test(udp_over_ipv6_behind_extension_headers),
		cmocka_unit_test(too_many_extension_headers_stay_with_the_kernel),
		cmocka_unit_test(fragments_are_known_by_address_alone),
		cmocka_unit_test(fragments_of_other_protocols_stay_with_the_kernel),
		cmocka_unit_test(icmp_errors_show_the_quoted_source),
		cmocka_unit_test(icmp_without_ports_or_of_other_types_stays_with_the_kernel),
		cmocka_unit_test(malformed_headers_stay_with_the_kernel),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
