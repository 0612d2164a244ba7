// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/stun_read.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "tests/unit/common/wire/stun_build.h"

#define REQUEST 0x0003 // Allocate

static struct stun_message read_ok(const struct stun_build *b)
{
	struct stun_message m;
	assert_int_equal(stun_read(b->bytes, b->length, &m), STUN_READ_OK);
	return m;
}

static void test_type_bits(void **state)
{
	// RFC 8489 section 5 and RFC 8656 section 17 print these.
	assert_int_equal(stun_type(STUN_REQUEST, STUN_BINDING), 0x0001);
	assert_int_equal(stun_type(STUN_SUCCESS, STUN_BINDING), 0x0101);
	assert_int_equal(stun_type(STUN_ERROR, STUN_ALLOCATE), 0x0113);
	assert_int_equal(stun_type(STUN_INDICATION, STUN_SEND), 0x0016);
	for (uint16_t method = 0; method < 0x1000; method++) {
		for (int c = 0; c < 4; c++) {
			uint16_t type = stun_type((enum stun_class)c, method);
			assert_true(type < 0x4000);
			assert_int_equal(stun_type_method(type), method);
			assert_int_equal(stun_type_class(type), c);
		}
	}
}

static void test_header_fields(void **state)
{
	struct stun_build b;
	build_begin(&b, 0x0116); // Send error response: nonsense, but a type
	struct stun_message m = read_ok(&b);

	assert_int_equal(m.length, 20);
	assert_int_equal(m.method, STUN_SEND);
	assert_int_equal(m.class, STUN_ERROR);
	assert_ptr_equal(m.transaction_id, b.bytes + 8);
}

static void test_refuses_what_is_not_stun(void **state)
{
	struct stun_message m;
	struct stun_build b;

	for (size_t len = 0; len < 20; len++) {
		build_begin(&b, REQUEST);
		assert_int_equal(stun_read(b.bytes, len, &m), STUN_READ_TOO_SHORT);
	}
	for (unsigned int top = 0x40; top < 0x100; top += 0x40) {
		build_begin(&b, REQUEST);
		b.bytes[0] |= (uint8_t)top;
		assert_int_equal(stun_read(b.bytes, b.length, &m), STUN_READ_NOT_STUN);
	}
	for (size_t bit = 0; bit < 32; bit++) {
		build_begin(&b, REQUEST);
		b.bytes[4 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(stun_read(b.bytes, b.length, &m), STUN_READ_NOT_STUN);
	}
}

static void test_refuses_wrong_message_length(void **state)
{
	struct stun_message m;
	struct stun_build b;

	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_DATA, "abcd", 4);
	for (uint16_t wrong = 0; wrong < 16; wrong++) {
		enum stun_read_result want = wrong % 4 || wrong < 8 ? STUN_READ_BAD_LENGTH
					     : wrong == 8           ? STUN_READ_OK
								    : STUN_READ_TOO_SHORT;
		tp_wr16(b.bytes + 2, wrong);
		assert_int_equal(stun_read(b.bytes, b.length, &m), want);
	}
	// Truncated datagrams, every length.
	tp_wr16(b.bytes + 2, 8);
	for (size_t len = 20; len < b.length; len++)
		assert_int_equal(stun_read(b.bytes, len, &m), STUN_READ_TOO_SHORT);
}

// 20 + Message Length does not fit 16 bits, although the bytes are there.
static void test_refuses_lengths_that_wrap(void **state)
{
	uint8_t *big = calloc(1, 70000);
	struct stun_message m;
	struct stun_build b;

	build_begin(&b, REQUEST);
	memcpy(big, b.bytes, 20);
	for (uint32_t length = 0xffe8; length <= 0xfffc; length += 4) {
		tp_wr16(big + 2, (uint16_t)length);
		// One optional attribute that takes all of it.
		tp_wr16(big + 20, STUN_ATTR_SOFTWARE);
		tp_wr16(big + 22, (uint16_t)(length - 4));
		assert_int_equal(stun_read(big, 20 + length, &m),
			length == 0xffe8 ? STUN_READ_OK : STUN_READ_BAD_LENGTH);
	}
	free(big);
}

static void test_refuses_attributes_that_overrun(void **state)
{
	struct stun_message m;
	struct stun_build b;

	for (uint32_t length = 0; length <= 0xffff; length++) {
		build_begin(&b, REQUEST);
		build_attr(&b, STUN_ATTR_LIFETIME, "abcd", 4);
		build_attr(&b, STUN_ATTR_DATA, "efgh", 4);
		tp_wr16(b.bytes + 30, (uint16_t)length); // of the second
		// 0 leaves four bytes, "efgh", that read as a header with an overrunning length.
		bool ok = length >= 1 && length <= 4;
		assert_int_equal(
			stun_read(b.bytes, b.length, &m), ok ? STUN_READ_OK : STUN_READ_BAD_ATTR);
	}
}

static void test_walk_visits_all_in_order(void **state)
{
	struct stun_build b;
	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
	build_attr(&b, STUN_ATTR_USERNAME, "abcde", 5);
	build_attr(&b, STUN_ATTR_LIFETIME, "1234", 4);
	struct stun_message m = read_ok(&b);
	struct stun_attr a;
	uint16_t at = STUN_HEADER_BYTES;

	assert_true(stun_next_attr(&m, &at, &a));
	assert_int_equal(a.type, STUN_ATTR_DONT_FRAGMENT);
	assert_int_equal(a.length, 0);
	assert_int_equal(a.offset, 20);
	assert_true(stun_next_attr(&m, &at, &a));
	assert_int_equal(a.type, STUN_ATTR_USERNAME);
	assert_int_equal(a.length, 5);
	assert_int_equal(a.offset, 24);
	assert_memory_equal(a.value, "abcde", 5);
	assert_true(stun_next_attr(&m, &at, &a));
	assert_int_equal(a.type, STUN_ATTR_LIFETIME);
	assert_int_equal(a.offset, 36);
	assert_false(stun_next_attr(&m, &at, &a));
	assert_false(stun_next_attr(&m, &at, &a));
}

static void test_find_takes_the_first_of_duplicates(void **state)
{
	struct stun_build b;
	struct stun_attr a;
	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_LIFETIME, "1111", 4);
	build_attr(&b, STUN_ATTR_LIFETIME, "2222", 4);
	struct stun_message m = read_ok(&b);

	assert_true(stun_find(&m, STUN_ATTR_LIFETIME, &a));
	assert_memory_equal(a.value, "1111", 4);
	assert_false(stun_find(&m, STUN_ATTR_DATA, &a));
}

static void test_find_ignores_what_follows_integrity(void **state)
{
	uint8_t mac[32] = {1};
	struct stun_build b;
	struct stun_attr a;
	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_USERNAME, "u", 1);
	build_attr(&b, STUN_ATTR_MESSAGE_INTEGRITY, mac, 20);
	build_attr(&b, STUN_ATTR_LIFETIME, "1111", 4);
	build_attr(&b, STUN_ATTR_MESSAGE_INTEGRITY, mac, 20);
	build_attr(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, mac, 32);
	build_attr(&b, STUN_ATTR_DATA, "x", 1);
	build_attr(&b, STUN_ATTR_FINGERPRINT, "ffff", 4);
	struct stun_message m = read_ok(&b);

	assert_true(stun_find(&m, STUN_ATTR_USERNAME, &a));
	assert_true(stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY, &a));
	assert_int_equal(a.offset, 28);
	assert_false(stun_find(&m, STUN_ATTR_LIFETIME, &a));
	assert_true(stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, &a));
	assert_false(stun_find(&m, STUN_ATTR_DATA, &a));
	assert_true(stun_find(&m, STUN_ATTR_FINGERPRINT, &a));
}

static void test_find_ignores_what_follows_sha256(void **state)
{
	uint8_t mac[32] = {1};
	struct stun_build b;
	struct stun_attr a;
	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, mac, 32);
	build_attr(&b, STUN_ATTR_LIFETIME, "1111", 4);
	build_attr(&b, STUN_ATTR_MESSAGE_INTEGRITY, mac, 20);
	build_attr(&b, STUN_ATTR_FINGERPRINT, "ffff", 4);
	struct stun_message m = read_ok(&b);

	assert_false(stun_find(&m, STUN_ATTR_LIFETIME, &a));
	assert_false(stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY, &a));
	assert_true(stun_find(&m, STUN_ATTR_FINGERPRINT, &a));
}

static void test_unknown_required(void **state)
{
	uint8_t mac[20] = {0};
	uint16_t types[4] = {0};
	struct stun_build b;
	build_begin(&b, REQUEST);
	build_attr(&b, 0x7ffe, "x", 1);
	build_attr(&b, STUN_ATTR_REQUESTED_TRANSPORT, "\x11\0\0", 4);
	build_attr(&b, STUN_ATTR_CHANGE_REQUEST, "\0\0\0", 4); // only where RFC 5780 is served
	build_attr(&b, 0x7ffe, "x", 1);
	build_attr(&b, 0x8888, "x", 1);                                // optional
	build_attr(&b, STUN_ATTR_MAPPED_ADDRESS, "\0\1\0\0\0\0\0", 8); // known, unexpected
	build_attr(&b, STUN_ATTR_MESSAGE_INTEGRITY, mac, 20);
	build_attr(&b, 0x7ffd, "x", 1);
	struct stun_message m = read_ok(&b);

	assert_int_equal(stun_unknown_required(&m, types, 4), 2);
	assert_int_equal(types[0], 0x7ffe);
	assert_int_equal(types[1], STUN_ATTR_CHANGE_REQUEST);
	assert_int_equal(types[2], 0);
	types[0] = types[1] = 0;
	assert_int_equal(stun_unknown_required(&m, types, 1), 2);
	assert_int_equal(types[0], 0x7ffe);
	assert_int_equal(types[1], 0);
	assert_int_equal(stun_unknown_required(&m, NULL, 0), 2);
}

static void test_credentials_of_rfc8489_are_known(void **state)
{
	uint8_t value[32] = {0};
	uint16_t types[1];
	struct stun_build b;
	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_USERHASH, value, 32);
	build_attr(&b, STUN_ATTR_PASSWORD_ALGORITHM, "\0\2\0", 4);
	build_attr(&b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, value, 32);
	struct stun_message m = read_ok(&b);
	assert_int_equal(stun_unknown_required(&m, types, 1), 0);
}

static void test_length_limits(void **state)
{
	static const struct {
		uint16_t type, length;
		bool ok;
	} cases[] = {{STUN_ATTR_LIFETIME, 4, true}, {STUN_ATTR_LIFETIME, 3, false},
		{STUN_ATTR_LIFETIME, 8, false}, {STUN_ATTR_DONT_FRAGMENT, 0, true},
		{STUN_ATTR_DONT_FRAGMENT, 1, false}, {STUN_ATTR_DATA, 0, true},
		{STUN_ATTR_DATA, 65535, true}, {STUN_ATTR_USERNAME, 0, false},
		{STUN_ATTR_USERNAME, 763, true}, {STUN_ATTR_USERNAME, 764, false},
		{STUN_ATTR_XOR_PEER_ADDRESS, 7, false}, {STUN_ATTR_XOR_PEER_ADDRESS, 8, true},
		{STUN_ATTR_XOR_PEER_ADDRESS, 9, false}, {STUN_ATTR_XOR_PEER_ADDRESS, 24, false},
		{0x7ffe, 1, true}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stun_attr a = {.type = cases[i].type, .length = cases[i].length};
		assert_int_equal(stun_attr_length_ok(&a), cases[i].ok);
	}
}

static void test_addresses(void **state)
{
	// XORed with 21 12 a4 42 and the transaction id a0 a1 ... ab.
	static const uint8_t v4[8] = {
		0xff, 1, 0x21 ^ 0x0d, 0x12 ^ 0x96, 198 ^ 0x21, 18 ^ 0x12, 0xa4, 2 ^ 0x42};
	static const uint8_t v6[20] = {0, 2, 0x21 ^ 0x0d, 0x12 ^ 0x96, 0xfd ^ 0x21, 0x12,
		0x01 ^ 0xa4, 0x98 ^ 0x42, 0xa0, 0x18 ^ 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
		0xa8, 0xa9, 0xaa, 2 ^ 0xab};
	uint8_t id[12], copy[21];
	struct tp_addr got, want = {.port = 3478};

	for (uint8_t i = 0; i < 12; i++)
		id[i] = (uint8_t)(0xa0 + i);
	struct stun_attr a = {.length = 8, .value = v4};
	tp_ip_parse("198.18.0.2", &want.ip);
	assert_true(stun_read_xor_address(&a, id, &got));
	assert_true(tp_addr_equal(&got, &want));
	a = (struct stun_attr){.length = 20, .value = v6};
	tp_ip_parse("fd00:198:18::2", &want.ip);
	assert_true(stun_read_xor_address(&a, id, &got));
	assert_true(tp_addr_equal(&got, &want));

	a = (struct stun_attr){.length = 8, .value = (const uint8_t *)"\0\1\x0d\x96\xc6\x12\0\2"};
	tp_ip_parse("198.18.0.2", &want.ip);
	assert_true(stun_read_address(&a, &got));
	assert_true(tp_addr_equal(&got, &want));

	// Family and length must agree.
	memcpy(copy + 1, v6, sizeof(v6));
	for (uint16_t length = 0; length <= 20; length++) {
		for (unsigned int family = 0; family < 256; family++) {
			copy[2] = (uint8_t)family;
			a = (struct stun_attr){.length = length, .value = copy + 1};
			bool ok = (family == 1 && length == 8) || (family == 2 && length == 20);
			assert_int_equal(stun_read_address(&a, &got), ok);
			assert_int_equal(stun_read_xor_address(&a, id, &got), ok);
		}
	}
}

static void test_fingerprint_only_counts_as_the_last(void **state)
{
	struct stun_build b;
	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_FINGERPRINT, "ffff", 4);
	build_attr(&b, STUN_ATTR_SOFTWARE, "x", 1);
	struct stun_message m = read_ok(&b);
	assert_false(stun_has_fingerprint(&m));

	build_begin(&b, REQUEST);
	m = read_ok(&b);
	assert_false(stun_has_fingerprint(&m));

	// Bytes that look like one inside another attribute's value.
	build_attr(&b, STUN_ATTR_DATA, "zzzz\x80\x28\0\4ffff", 12);
	m = read_ok(&b);
	assert_false(stun_has_fingerprint(&m));

	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_FINGERPRINT, "ffffffff", 8);
	m = read_ok(&b);
	assert_false(stun_has_fingerprint(&m));
	assert_false(stun_fingerprint_ok(&m));

	build_begin(&b, REQUEST);
	build_attr(&b, STUN_ATTR_FINGERPRINT, "ffff", 4);
	m = read_ok(&b);
	assert_true(stun_has_fingerprint(&m));
	assert_false(stun_fingerprint_ok(&m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_type_bits),
		cmocka_unit_test(test_header_fields),
		cmocka_unit_test(test_refuses_what_is_not_stun),
		cmocka_unit_test(test_refuses_wrong_message_length),
		cmocka_unit_test(test_refuses_lengths_that_wrap),
		cmocka_unit_test(test_refuses_attributes_that_overrun),
		cmocka_unit_test(test_walk_visits_all_in_order),
		cmocka_unit_test(test_find_takes_the_first_of_duplicates),
		cmocka_unit_test(test_find_ignores_what_follows_integrity),
		cmocka_unit_test(test_find_ignores_what_follows_sha256),
		cmocka_unit_test(test_unknown_required),
		cmocka_unit_test(test_credentials_of_rfc8489_are_known),
		cmocka_unit_test(test_length_limits),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_fingerprint_only_counts_as_the_last),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
