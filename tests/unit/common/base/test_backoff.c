// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/backoff.h"

static void test_pauses_double_up_to_the_longest(void **state)
{
	static const uint32_t want[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
	struct tp_backoff b = {0};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		assert_int_equal(tp_backoff_after(&b, 0, 0), want[i]);
}

static void test_a_good_run_starts_over(void **state)
{
	struct tp_backoff b = {0};

	for (int i = 0; i < 5; i++)
		tp_backoff_after(&b, 0, 0);
	assert_int_equal(tp_backoff_after(&b, TP_BACKOFF_GOOD_MS - 1, 0), 3200);
	assert_int_equal(tp_backoff_after(&b, TP_BACKOFF_GOOD_MS, 0), 100);
	assert_int_equal(tp_backoff_after(&b, 0, 0), 200);
}

static void test_chance_adds_a_quarter_at_most(void **state)
{
	for (uint32_t random = 0; random < 1000; random++) {
		struct tp_backoff b = {.next_ms = 400};
		uint32_t pause = tp_backoff_after(&b, 0, random * 2654435761U);
		assert_in_range(pause, 400, 500);
		assert_int_equal(b.next_ms, 800); // chance is not carried on
	}
	struct tp_backoff b = {.next_ms = 400};
	assert_int_equal(tp_backoff_after(&b, 0, 100), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pauses_double_up_to_the_longest),
		cmocka_unit_test(test_a_good_run_starts_over),
		cmocka_unit_test(test_chance_adds_a_quarter_at_most),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
