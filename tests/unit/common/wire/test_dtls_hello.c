// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/dtls_hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// After those.
#include <cmocka.h>

#include "common/base/bytes.h"
#include "tests/unit/common/wire/dtls_hello.h"

static void a_hello_is_read(void **state)
{
	static const uint8_t cookie[20] = "cookies of any kind";
	uint8_t bytes[HELLO_MOST];
	struct dtls_hello hello;

	for (uint8_t n = 0; n <= sizeof(cookie); n++) {
		size_t length = hello_write(bytes, 0x1234567890ab, cookie, n);
		assert_int_equal(dtls_hello_read(bytes, length, &hello), DTLS_HELLO);
		assert_int_equal(hello.cookie_bytes, n);
		assert_memory_equal(hello.cookie, cookie, n);
		assert_memory_equal(hello.record, "\0\0\x12\x34\x56\x78\x90\xab", 8);
		assert_int_equal(hello.random[0], 0xaa);
		assert_int_equal(hello.random[DTLS_RANDOM_BYTES - 1], 0xaa);
		assert_true(dtls_is_record(bytes, length));
		assert_true(length >= DTLS_HELLO_LEAST_BYTES);
	}
}

static void no_prefix_of_a_hello_is_one(void **state)
{
	uint8_t bytes[HELLO_MOST];
	size_t length = hello_write(bytes, 1, (const uint8_t *)"12345678", 8);
	struct dtls_hello hello;

	for (size_t n = 0; n < length; n++)
		assert_int_equal(dtls_hello_read(bytes, n, &hello), DTLS_NO_HELLO);
	// The same with lengths that fit.
	for (size_t n = DTLS_RECORD_BYTES; n < length; n++) {
		tp_wr16(bytes + 11, (uint16_t)(n - DTLS_RECORD_BYTES));
		if (n >= DTLS_RECORD_BYTES + DTLS_HANDSHAKE_BYTES) {
			tp_wr16(bytes + 15,
				(uint16_t)(n - DTLS_RECORD_BYTES - DTLS_HANDSHAKE_BYTES));
			tp_wr16(bytes + 23,
				(uint16_t)(n - DTLS_RECORD_BYTES - DTLS_HANDSHAKE_BYTES));
		}
		// Without extensions it is whole.
		enum dtls_hello_result whole =
			n == length - HELLO_EXTENSIONS ? DTLS_HELLO : DTLS_BAD_HELLO;
		assert_int_equal(dtls_hello_read(bytes, n, &hello), whole);
	}
}

static void what_is_none(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum dtls_hello_result result;
	} changes[] = {
		{0, DTLS_ALERT, DTLS_NO_HELLO},
		{0, 19, DTLS_NO_HELLO},
		{0, 64, DTLS_NO_HELLO},
		{1, 3, DTLS_NO_HELLO},   // TLS
		{4, 1, DTLS_NO_HELLO},   // encrypted
		{13, 2, DTLS_NO_HELLO},  // ServerHello
		{16, 0, DTLS_BAD_HELLO}, // longer than the record
		{21, 1, DTLS_BAD_HELLO}, // a later fragment
		{24, 9, DTLS_BAD_HELLO}, // the first of several
		{25, 3, DTLS_BAD_HELLO}, // version of TLS
		{25 + 2 + 32, 33, DTLS_BAD_HELLO},
	};
	uint8_t bytes[HELLO_MOST];
	struct dtls_hello hello;

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		size_t length = hello_write(bytes, 0, NULL, 0);
		bytes[changes[i].at] = changes[i].value;
		assert_int_equal(dtls_hello_read(bytes, length, &hello), changes[i].result);
	}
}

static void the_answer_is_never_longer(void **state)
{
	static const uint8_t record[8] = {0, 0, 1, 2, 3, 4, 5, 6};
	static const uint8_t expected[DTLS_HELLO_VERIFY_BYTES] = {22, 0xfe, 0xff, 0, 0, 1, 2, 3, 4,
		5, 6, 0, 23, 3, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 11, 0xfe, 0xff, 8, 'c', 'o', 'o',
		'k', 'i', 'e', 's', '!'};
	uint8_t out[DTLS_HELLO_VERIFY_BYTES];

	dtls_hello_verify_write(record, (const uint8_t *)"cookies!", out);
	assert_memory_equal(out, expected, sizeof(out));
	assert_true(sizeof(out) < DTLS_HELLO_LEAST_BYTES);
	assert_true(dtls_is_record(out, sizeof(out)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_is_read),
		cmocka_unit_test(no_prefix_of_a_hello_is_one),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(the_answer_is_never_longer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
