// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/hash.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"

static const struct tp_siphash_key reference_key = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};

// Output bytes, as a big-endian number, for inputs 00, 00 01, ... under the key 00..0f: the vectors
// of the SipHash reference code; OpenSSL's SIPHASH gives the same.
static const uint64_t reference[] = {0x310e0edd47db6f72, 0xfd67dc93c539f874, 0x5a4fa9d909806c0d,
	0x2d7efbd796666785, 0xb7877127e09427cf, 0x8da699cd64557618, 0xcee3fe586e46c9cb,
	0x37d1018bf50002ab, 0x6224939a79f5f593, 0xb0e4a90bdf82009e, 0xf3b9dd94c5bb5d7a,
	0xa7ad6b22462fb3f4, 0xfbe50e86bc8f1e75, 0x903d84c02756ea14, 0xeef27a8e90ca23f7,
	0xe545be4961ca29a1};
static const uint64_t reference_63 = 0x724506eb4c328a95;

static void test_reference_vectors(void **state)
{
	uint8_t input[64];

	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)i;
	for (size_t n = 0; n < sizeof(reference) / sizeof(reference[0]); n++) {
		uint64_t le = htole64(tp_siphash(&reference_key, input, n));
		assert_int_equal(tp_rd64(&le), reference[n]);
	}
	uint64_t le = htole64(tp_siphash(&reference_key, input, 63));
	assert_int_equal(tp_rd64(&le), reference_63);
}

static void test_any_alignment(void **state)
{
	uint8_t buffer[48] = {0};

	for (size_t offset = 0; offset < 8; offset++) {
		for (uint8_t i = 0; i < 15; i++)
			buffer[offset + i] = i;
		uint64_t le = htole64(tp_siphash(&reference_key, buffer + offset, 15));
		assert_int_equal(tp_rd64(&le), reference[15]);
	}
}

static void test_random_fills_exactly(void **state)
{
	static uint8_t a[1024], b[1024];

	memset(a, 0, sizeof(a));
	assert_int_equal(tp_random_bytes(a, 0), 0);
	assert_int_equal(a[0], 0);
	assert_int_equal(tp_random_bytes(a, 1001), 0);
	for (size_t i = 1001; i < sizeof(a); i++)
		assert_int_equal(a[i], 0);
	// 1001 bytes in which any run of 16 stays zero, or that come twice: not in this universe.
	for (size_t i = 0; i + 16 <= 1001; i += 16)
		assert_memory_not_equal(a + i, b + i, 16);
	assert_int_equal(tp_random_bytes(b, 1001), 0);
	assert_memory_not_equal(a, b, 1001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_vectors),
		cmocka_unit_test(test_any_alignment),
		cmocka_unit_test(test_random_fills_exactly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
