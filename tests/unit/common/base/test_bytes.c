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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words_are_big_endian_at_any_alignment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
