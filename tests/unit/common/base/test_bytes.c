// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_words_are_big_endian_at_any_alignment(void **state)
{
	uint8_t buffer[24];

	for (size_t offset = 0; offset < 8; offset++) {
		uint8_t *p = buffer + offset;
		tp_wr64(p, 0x0102030405060708);
		assert_int_equal(p[0], 1);
		assert_int_equal(p[7], 8);
		assert_int_equal(tp_rd64(p), 0x0102030405060708);
		assert_int_equal(tp_rd32(p + 1), 0x02030405);
		assert_int_equal(tp_rd16(p + 3), 0x0405);
		tp_wr32(p + 2, 0xa1a2a3a4);
		tp_wr16(p, 0xb1b2);
		assert_int_equal(tp_rd64(p), 0xb1b2a1a2a3a40708);
	}
}

static void test_cursor_takes_to_the_last_byte(void **state)
{
	const uint8_t data[7] = {0, 1, 0, 0, 0, 2, 9};
	struct tp_cursor c = tp_cursor_init(data, sizeof(data));

	assert_int_equal(tp_cursor_rd16(&c), 1);
	assert_int_equal(tp_cursor_rd32(&c), 2);
	assert_ptr_equal(tp_cursor_take(&c, 1), data + 6);
	assert_int_equal(tp_cursor_left(&c), 0);
	assert_false(c.overrun);
	assert_non_null(tp_cursor_take(&c, 0));
	assert_false(c.overrun);
}

static void test_cursor_remembers_the_overrun(void **state)
{
	const uint8_t data[3] = {1, 2, 3};
	struct tp_cursor c = tp_cursor_init(data, sizeof(data));

	assert_int_equal(tp_cursor_rd32(&c), 0);
	assert_true(c.overrun);
	// What would fit is refused as well, so that one check at the end is enough.
	assert_int_equal(tp_cursor_rd16(&c), 0);
	assert_null(tp_cursor_take(&c, 1));
	c = tp_cursor_init(data, sizeof(data));
	assert_null(tp_cursor_take(&c, SIZE_MAX));
	assert_true(c.overrun);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_big_endian_at_any_alignment),
		cmocka_unit_test(test_cursor_takes_to_the_last_byte),
		cmocka_unit_test(test_cursor_remembers_the_overrun),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
