// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/wire/stun_classic.h"
#include "common/wire/stun_read.h"

// From a copy of exactly its size at an odd address.
static bool read_exact(const uint8_t *bytes, size_t length, struct stun_classic *out)
{
	uint8_t *exact = malloc(length + 1);
	memcpy(exact + 1, bytes, length);
	bool ok = stun_classic_read(exact + 1, length, out);
	if (ok)
		assert_ptr_equal(out->transaction_id, exact + 5);
	free(exact);
	return ok;
}

static const uint8_t plain[20] = {
	0, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static void test_a_plain_request(void **state)
{
	struct stun_classic c;
	struct stun_message m;

	assert_true(read_exact(plain, sizeof(plain), &c));
	assert_false(c.has_change);
	assert_int_equal(c.n_unknown, 0);
	assert_int_equal(stun_read(plain, sizeof(plain), &m), STUN_READ_NOT_STUN);
}

static void test_what_is_none(void **state)
{
	struct stun_classic c;
	uint8_t bytes[64] = {0};

	for (size_t n = 0; n < sizeof(plain); n++)
		assert_false(read_exact(plain, n, &c));
	memcpy(bytes, plain, sizeof(plain));
	assert_false(read_exact(bytes, 24, &c)); // longer than it says
	bytes[3] = 2;
	assert_false(read_exact(bytes, 22, &c)); // no multiple of four
	bytes[3] = 4;
	assert_false(read_exact(bytes, 20, &c)); // shorter than it says
	bytes[3] = 0;
	assert_true(read_exact(bytes, 20, &c));
	tp_wr32(bytes + 4, STUN_MAGIC_COOKIE);
	assert_false(read_exact(bytes, 20, &c)); // RFC 8489
	memcpy(bytes, plain, sizeof(plain));
	// Other methods and classes, TURN's among them, and other protocols.
	static const uint16_t types[] = {0x0000, 0x0002, 0x0003, 0x0004, 0x0008, 0x0009, 0x0011,
		0x0016, 0x0101, 0x0111, 0x4001, 0x1603, 0x8001};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		tp_wr16(bytes, types[i]);
		assert_false(read_exact(bytes, 20, &c));
	}
}

static void test_attributes(void **state)
{
	struct stun_classic c;
	uint8_t bytes[20 + 80];

	memcpy(bytes, plain, sizeof(plain));
	memset(bytes + 20, 0, 80);
	bytes[3] = 8;
	tp_wr32(bytes + 20, 0x00030004);
	tp_wr32(bytes + 24, 6);
	assert_true(read_exact(bytes, 28, &c));
	assert_true(c.has_change);
	assert_int_equal(c.change, 6);
	assert_int_equal(c.n_unknown, 0);
	// Lengths that are no multiple of four, or overrun, or wrap 16 bits.
	static const uint16_t lengths[] = {1, 3, 5, 8, 0xfffc, 0xffff, 0x8000};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		tp_wr32(bytes + 20, 0x80220000u | lengths[i]);
		assert_false(read_exact(bytes, 28, &c));
	}
	tp_wr32(bytes + 20, 0x00030000); // CHANGE-REQUEST of no bytes
	tp_wr32(bytes + 24, 0x80220000);
	assert_false(read_exact(bytes, 28, &c));
	// Mandatory ones are listed once each, the first of many; optional ones are nothing.
	bytes[3] = 80;
	for (uint32_t i = 0; i < 20; i++)
		tp_wr32(bytes + 20 + 4 * i, i < 2 ? 0x00020000 : i < 4 ? 0x80220000 : i << 20);
	assert_true(read_exact(bytes, 100, &c));
	assert_int_equal(c.n_unknown, STUN_CLASSIC_UNKNOWN_MAX);
	assert_int_equal(c.unknown[0], STUN_CLASSIC_RESPONSE_ADDRESS);
	assert_int_equal(c.unknown[1], 4u << 4);
	assert_false(c.has_change);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plain_request),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_attributes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
