// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/abi/stats.h"

static void names_follow_the_tables(void **state)
{
	assert_string_equal(tp_counter_name(TP_COUNTER_rx), "rx");
	assert_string_equal(tp_counter_unit(TP_COUNTER_cycles_busy), "cycles");
	assert_string_equal(tp_counter_help(TP_COUNTER_punted), "requests handed to control");
	assert_string_equal(tp_drop_name(TP_DROP_no_headroom), "no_headroom");
	assert_string_equal(tp_drop_help(TP_DROP_policed), "over the bit rate of its allocation");
}

static void beyond_the_last_is_null(void **state)
{
	assert_non_null(tp_counter_name(TP_COUNTERS - 1));
	assert_null(tp_counter_name(TP_COUNTERS));
	assert_null(tp_counter_unit(TP_COUNTERS));
	assert_null(tp_counter_help(UINT32_MAX));
	assert_non_null(tp_drop_name(TP_DROPS - 1));
	assert_null(tp_drop_name(TP_DROPS));
	assert_null(tp_drop_help(TP_DROPS));
}

// They become names of metrics: no two the same.
static void names_are_unique(void **state)
{
	for (unsigned int i = 0; i < TP_COUNTERS; i++)
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(tp_counter_name(i), tp_counter_name(j));
	for (unsigned int i = 0; i < TP_DROPS; i++)
		for (unsigned int j = 0; j < i; j++)
			assert_string_not_equal(tp_drop_name(i), tp_drop_name(j));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_follow_the_tables),
		cmocka_unit_test(beyond_the_last_is_null),
		cmocka_unit_test(names_are_unique),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
