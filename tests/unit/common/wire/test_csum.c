// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/csum.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/common/wire/packet_build.h"
#include "tests/unit/common/wire/random.h"

// Zero and 0xffff are the same number in ones' complement.
static uint16_t canonical(uint32_t sum)
{
	return sum == 0xffff ? 0 : (uint16_t)sum;
}

static void assert_sum(uint32_t raw, uint16_t oracle)
{
	assert_true(raw <= 0xffff);
	assert_int_equal(canonical(be16toh((uint16_t)raw)), canonical(oracle));
}

static void test_rfc1071_example(void **state)
{
	static const uint8_t bytes[8] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	assert_int_equal(be16toh((uint16_t)tp_sum_bytes(bytes, 8)), 0xddf2);
	assert_int_equal(be16toh(tp_checksum(tp_sum_bytes(bytes, 8))), 0x220d);
}

static void test_every_length_and_alignment(void **state)
{
	uint8_t *buffer = malloc(2100);
	uint64_t seed = 1;

	for (size_t len = 0; len < 2048; len += len < 80 ? 1 : 37) {
		for (size_t at = 0; at < 9; at++) {
			random_fill(&seed, buffer, 2100);
			assert_sum(tp_sum_bytes(buffer + at, len), oracle_sum(0, buffer + at, len));
			memset(buffer, 0xff, 2100);
			assert_sum(tp_sum_bytes(buffer + at, len), oracle_sum(0, buffer + at, len));
		}
	}
	free(buffer);
}

static void test_largest_packet_does_not_lose_carries(void **state)
{
	uint8_t *buffer = malloc(65536);

	memset(buffer, 0xff, 65536);
	buffer[65533] = 0xfe;
	assert_sum(tp_sum_bytes(buffer, 65535), oracle_sum(0, buffer, 65535));
	free(buffer);
}

static void test_pieces_at_odd_offsets(void **state)
{
	uint8_t buffer[300];
	uint64_t seed = 2;

	for (int round = 0; round < 20000; round++) {
		size_t len = random_next(&seed) % sizeof(buffer),
		       cut = len ? random_next(&seed) % len : 0;
		random_fill(&seed, buffer, len);
		uint32_t sum = tp_sum_bytes(buffer, cut) +
			       tp_sum_at(tp_sum_bytes(buffer + cut, len - cut), cut);
		assert_sum(tp_sum_fold(sum), oracle_sum(0, buffer, len));
	}
}

static void test_fold_takes_any_64_bits(void **state)
{
	static const uint64_t values[] = {0, 1, 0xffff, 0x10000, 0x1ffff, 0xffffffff, 0x100000000,
		0xffffffffffffffff, 0xfffffffffffffffe, 0xffff0000ffff0000, 0x8000000080000001};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		uint32_t folded = tp_sum_fold(values[i]);
		assert_true(folded <= 0xffff);
		assert_int_equal(folded % 0xffff, values[i] % 0xffff);
		assert_int_equal(folded == 0, values[i] == 0);
	}
}

// A random change in a random packet: the updated checksum is the one computed afresh, and damage
// done before the change stays visible by exactly as much.
static void test_pseudo_headers(void **state)
{
	uint8_t header[40] = {0}, src[16], dst[16];
	uint64_t seed = 5;

	for (int round = 0; round < 1000; round++) {
		uint16_t length = (uint16_t)random_next(&seed);
		random_fill(&seed, src, 16);
		random_fill(&seed, dst, 16);
		memcpy(header, src, 4);
		memcpy(header + 4, dst, 4);
		memcpy(header + 8, (uint8_t[4]){0, 17, (uint8_t)(length >> 8), (uint8_t)length}, 4);
		assert_sum(tp_sum_pseudo4(src, dst, 17, length), oracle_sum(0, header, 12));
		memcpy(header, src, 16);
		memcpy(header + 16, dst, 16);
		memcpy(header + 32, (uint8_t[4]){0, 0, (uint8_t)(length >> 8), (uint8_t)length}, 4);
		memcpy(header + 36, (uint8_t[4]){0, 0, 0, 58}, 4);
		assert_sum(tp_sum_pseudo6(src, dst, 58, length), oracle_sum(0, header, 40));
	}
}

static void test_udp_zero_becomes_ffff(void **state)
{
	assert_int_equal(tp_checksum(0xffff), 0);
	assert_int_equal(tp_checksum_udp(0xffff), 0xffff);
	assert_int_equal(tp_checksum_udp(0), 0xffff);
	assert_int_equal(tp_checksum_udp(1), 0xfffe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc1071_example),
		cmocka_unit_test(test_every_length_and_alignment),
		cmocka_unit_test(test_largest_packet_does_not_lose_carries),
		cmocka_unit_test(test_pieces_at_odd_offsets),
		cmocka_unit_test(test_fold_takes_any_64_bits),
		cmocka_unit_test(test_pseudo_headers),
		cmocka_unit_test(test_udp_zero_becomes_ffff),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
