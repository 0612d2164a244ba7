// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/stun_write.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/bytes.h"
#include "common/wire/stun_read.h"

static const uint8_t id[12] = "transaction!";

static void test_padding_is_zero(void **state)
{
	uint8_t buffer[64];
	const uint8_t want[] = {0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42, 't', 'r', 'a', 'n', 's', 'a',
		'c', 't', 'i', 'o', 'n', '!', 0x80, 0x22, 0, 5, 'a', 'b', 'c', 'd', 'e', 0, 0, 0, 0,
		0x1a, 0, 0};
	struct stun_writer w;

	memset(buffer, 0xee, sizeof(buffer));
	stun_write_begin(&w, buffer, sizeof(buffer), STUN_REQUEST, STUN_BINDING, id);
	stun_write_attr(&w, STUN_ATTR_SOFTWARE, "abcde", 5);
	stun_write_attr(&w, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
	assert_int_equal(stun_write_finish(&w), sizeof(want));
	assert_memory_equal(buffer, want, sizeof(want));
	assert_int_equal(buffer[sizeof(want)], 0xee);
}

static void test_reader_reads_what_was_written(void **state)
{
	uint8_t buffer[512];
	struct stun_writer w;
	struct stun_message m;
	struct stun_attr a;
	struct tp_addr v4 = {.port = 49152}, v6 = {.port = 65535}, got;
	const uint16_t unknown[3] = {0x7ffe, 0x0003, 0x0026};

	tp_ip_parse("203.0.113.5", &v4.ip);
	tp_ip_parse("fd00:198:18::8000:2", &v6.ip);
	stun_write_begin(&w, buffer + 1, sizeof(buffer) - 1, STUN_ERROR, STUN_ALLOCATE, id);
	stun_write_error(&w, STUN_ERR_UNKNOWN_ATTRIBUTE);
	stun_write_unknown_attributes(&w, unknown, 3);
	stun_write_xor_address(&w, STUN_ATTR_XOR_RELAYED_ADDRESS, &v4);
	stun_write_xor_address(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &v6);
	stun_write_address(&w, STUN_ATTR_MAPPED_ADDRESS, &v6);
	stun_write_u32(&w, STUN_ATTR_LIFETIME, 0x01020304);
	stun_write_fingerprint(&w);
	int length = stun_write_finish(&w);
	assert_true(length > 0);

	assert_int_equal(stun_read(buffer + 1, (size_t)length, &m), STUN_READ_OK);
	assert_int_equal(m.method, STUN_ALLOCATE);
	assert_int_equal(m.class, STUN_ERROR);
	assert_memory_equal(m.transaction_id, id, 12);
	assert_true(stun_find(&m, STUN_ATTR_ERROR_CODE, &a));
	assert_int_equal(a.length, 4 + strlen("Unknown Attribute"));
	assert_memory_equal(a.value, "\0\0\4\x14Unknown Attribute", a.length);
	assert_true(stun_find(&m, STUN_ATTR_UNKNOWN_ATTRIBUTES, &a));
	assert_int_equal(a.length, 6);
	assert_memory_equal(a.value, "\x7f\xfe\0\3\0\x26\0\0", 8);
	assert_true(stun_find(&m, STUN_ATTR_XOR_RELAYED_ADDRESS, &a));
	assert_int_equal(a.value[0], 0);
	assert_true(stun_read_xor_address(&a, id, &got));
	assert_true(tp_addr_equal(&got, &v4));
	assert_true(stun_find(&m, STUN_ATTR_XOR_MAPPED_ADDRESS, &a));
	assert_true(stun_read_xor_address(&a, id, &got));
	assert_true(tp_addr_equal(&got, &v6));
	assert_true(stun_find(&m, STUN_ATTR_MAPPED_ADDRESS, &a));
	assert_int_equal(a.value[0], 0);
	assert_true(stun_read_address(&a, &got));
	assert_true(tp_addr_equal(&got, &v6));
	assert_true(stun_find(&m, STUN_ATTR_LIFETIME, &a));
	assert_int_equal(tp_rd32(a.value), 0x01020304);
	assert_true(stun_fingerprint_ok(&m));
	buffer[10] ^= 1;
	assert_false(stun_fingerprint_ok(&m));
}

// MESSAGE-INTEGRITY is computed over the message with the Message Length that counts it.
static void test_reserve_counts_itself(void **state)
{
	uint8_t buffer[128];
	struct stun_writer w;

	stun_write_begin(&w, buffer, sizeof(buffer), STUN_SUCCESS, STUN_REFRESH, id);
	stun_write_u32(&w, STUN_ATTR_LIFETIME, 600);
	uint8_t *mac = stun_write_reserve(&w, STUN_ATTR_MESSAGE_INTEGRITY, 20);
	assert_ptr_equal(mac, buffer + 20 + 8 + 4);
	assert_int_equal(tp_rd16(buffer + 2), 8 + 24);
}

static void test_overflow_is_remembered(void **state)
{
	uint8_t big[16] = {0};

	// Every capacity: what does not fit fails, and nothing is written beyond the capacity.
	for (size_t capacity = 0; capacity < 64; capacity++) {
		uint8_t *buffer = malloc(capacity + 1);
		struct stun_writer w;
		buffer[capacity] = 0xee;
		stun_write_begin(&w, buffer, capacity, STUN_REQUEST, STUN_ALLOCATE, id);
		stun_write_attr(&w, STUN_ATTR_NONCE, big, 13);
		stun_write_u32(&w, STUN_ATTR_LIFETIME, 1);
		stun_write_fingerprint(&w);
		assert_int_equal(stun_write_finish(&w), capacity >= 56 ? 56 : -ENOBUFS);
		assert_int_equal(buffer[capacity], 0xee);
		free(buffer);
	}
}

static void test_smaller_one_after_overflow_is_not_written(void **state)
{
	uint8_t buffer[32] = {0};
	struct stun_writer w;

	stun_write_begin(&w, buffer, sizeof(buffer), STUN_REQUEST, STUN_ALLOCATE, id);
	assert_null(stun_write_reserve(&w, STUN_ATTR_DATA, 9));
	assert_null(stun_write_reserve(&w, STUN_ATTR_LIFETIME, 4));
	assert_int_equal(stun_write_finish(&w), -ENOBUFS);
}

static void test_lengths_that_wrap(void **state)
{
	static const size_t lengths[] = {SIZE_MAX, SIZE_MAX - 3, SIZE_MAX / 2, 65536, 65533, 65512};
	size_t capacity = 70000;
	uint8_t *buffer = malloc(capacity);
	struct stun_writer w;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		stun_write_begin(&w, buffer, capacity, STUN_REQUEST, STUN_ALLOCATE, id);
		assert_null(stun_write_reserve(&w, STUN_ATTR_DATA, lengths[i]));
		assert_int_equal(stun_write_finish(&w), -ENOBUFS);
	}
	// 65508 are the most that a readable message holds in one attribute.
	struct stun_message m;
	stun_write_begin(&w, buffer, capacity, STUN_REQUEST, STUN_ALLOCATE, id);
	uint8_t *value = stun_write_reserve(&w, STUN_ATTR_DATA, 65508);
	assert_non_null(value);
	memset(value, 0, 65508);
	assert_int_equal(stun_write_finish(&w), STUN_MESSAGE_MAX_BYTES);
	assert_int_equal(stun_read(buffer, STUN_MESSAGE_MAX_BYTES, &m), STUN_READ_OK);
	free(buffer);
}

static void test_address_without_family_fails(void **state)
{
	uint8_t buffer[64];
	struct stun_writer w;
	struct tp_addr none = {0};

	stun_write_begin(&w, buffer, sizeof(buffer), STUN_REQUEST, STUN_ALLOCATE, id);
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &none);
	assert_int_equal(stun_write_finish(&w), -ENOBUFS);
}

static void test_names(void **state)
{
	assert_string_equal(stun_reason(STUN_ERR_INSUFFICIENT_CAPACITY), "Insufficient Capacity");
	assert_non_null(stun_reason((enum stun_err)699));
	assert_string_equal(stun_method_name(STUN_CHANNEL_BIND), "ChannelBind");
	assert_null(stun_method_name(0x0fff));
	assert_string_equal(stun_attr_name(STUN_ATTR_XOR_PEER_ADDRESS), "XOR-PEER-ADDRESS");
	assert_null(stun_attr_name(0x7ffe));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_padding_is_zero),
		cmocka_unit_test(test_reader_reads_what_was_written),
		cmocka_unit_test(test_reserve_counts_itself),
		cmocka_unit_test(test_overflow_is_remembered),
		cmocka_unit_test(test_smaller_one_after_overflow_is_not_written),
		cmocka_unit_test(test_lengths_that_wrap),
		cmocka_unit_test(test_address_without_family_fails),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
