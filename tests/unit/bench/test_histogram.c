// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/histogram.h"

static void nothing_is_zero(void **state)
{
	static struct load_histogram h;

	assert_int_equal(load_histogram_percentile(&h, 99), 0);
	assert_true(load_histogram_mean(&h) == 0);
}

// Every value alone, over all powers of two: read back at most a 64th too great, never too small.
static void the_relative_error_is_bounded(void **state)
{
	static struct load_histogram h;

	for (int bit = 0; bit < 64; bit++)
		for (int step = -3; step <= 3; step++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)step;
			memset(&h, 0, sizeof(h));
			load_histogram_add(&h, value);
			load_histogram_add(&h, UINT64_MAX); // or the greatest one would hide it
			uint64_t read = load_histogram_percentile(&h, 50);
			assert_true(read >= value);
			assert_true(read - value <= value / LOAD_HISTOGRAM_SPLIT);
		}
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

// Against a sorted list.
static void percentiles_are_those_of_the_values(void **state)
{
	enum { VALUES = 10000 };
	static struct load_histogram h;
	static uint64_t value[VALUES];
	const double percents[] = {0, 1, 50, 90, 99, 99.9, 99.99, 100};
	uint64_t random = 1, sum = 0;

	memset(&h, 0, sizeof(h));
	for (int i = 0; i < VALUES; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		value[i] = random >> (24 + random % 30);
		sum += value[i];
		load_histogram_add(&h, value[i]);
	}
	qsort(value, VALUES, sizeof(value[0]), ascending);
	for (size_t p = 0; p < sizeof(percents) / sizeof(percents[0]); p++) {
		double share = VALUES * percents[p] / 100;
		int n = (int)share + ((double)(int)share < share);
		uint64_t exact = value[n > 0 ? n - 1 : 0];
		uint64_t read = load_histogram_percentile(&h, percents[p]);
		assert_true(read >= exact && read - exact <= exact / LOAD_HISTOGRAM_SPLIT);
	}
	assert_int_equal(load_histogram_percentile(&h, 100), value[VALUES - 1]);
	assert_true(load_histogram_mean(&h) == (double)sum / VALUES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_zero),
		cmocka_unit_test(the_relative_error_is_bounded),
		cmocka_unit_test(percentiles_are_those_of_the_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
