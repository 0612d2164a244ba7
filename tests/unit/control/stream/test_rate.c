// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "control/stream/rate.h"

#define START (1000 * TP_NS_PER_S)

// Bytes that pass from START on in so many steps of a millisecond, a read taking `piece`.
static uint64_t passed(struct stream_rate *r, uint64_t piece, unsigned steps)
{
	uint64_t bytes = 0;

	for (uint64_t now = START; now < START + steps * TP_NS_PER_MS; now += TP_NS_PER_MS)
		while (stream_rate_open(r, now)) {
			stream_rate_take(r, piece, now);
			bytes += piece;
		}
	return bytes;
}

static void in_the_long_run_it_is_the_rate(void **state)
{
	static const uint64_t rates[] = {1000, 100000, 12500000};
	static const uint64_t pieces[] = {1, 1400, 16384};

	for (int i = 0; i < 3; i++)
		for (int k = 0; k < 3; k++) {
			struct stream_rate r = {.bytes_per_s = rates[i]};
			// At first what is saved, at last one read of debt.
			uint64_t most = rates[i] * 10 + rates[i] / 8 + pieces[k];
			uint64_t n = passed(&r, pieces[k], 10000);

			assert_true(n <= most + rates[i] / 500);
			assert_true(n + 2 * pieces[k] + rates[i] / 500 >= most);
		}
}

static void a_pause_saves_no_more_than_its_depth(void **state)
{
	struct stream_rate r = {.bytes_per_s = 80000};
	uint64_t now = START, bytes = 0;

	stream_rate_take(&r, 1, now);
	for (now += 3600 * TP_NS_PER_S; stream_rate_open(&r, now); bytes += 100)
		stream_rate_take(&r, 100, now);
	assert_in_range(bytes, 10000, 10100);
}

static void a_debt_is_paid_before_the_next_read(void **state)
{
	struct stream_rate r = {.bytes_per_s = 1000};

	stream_rate_take(&r, 16125, START);
	assert_false(stream_rate_open(&r, START + 16 * TP_NS_PER_S - 1));
	assert_true(stream_rate_open(&r, START + 16 * TP_NS_PER_S));
}

static void without_a_rate_all_passes(void **state)
{
	struct stream_rate r = {0};

	stream_rate_take(&r, UINT32_MAX, START);
	assert_true(stream_rate_open(&r, START));
	// The rate that a reload brings begins with nothing to pay.
	r.bytes_per_s = 1;
	assert_true(stream_rate_open(&r, START));
}

static void another_rate_forgives_a_debt_and_the_same_does_not(void **state)
{
	struct stream_rate r = {.bytes_per_s = 1000};

	stream_rate_take(&r, 60000, START);
	stream_rate_set(&r, 1000);
	assert_false(stream_rate_open(&r, START + TP_NS_PER_S));
	stream_rate_set(&r, 1000000);
	assert_true(stream_rate_open(&r, START + TP_NS_PER_S));
	// And has no more saved than any other that begins.
	assert_true(passed(&r, 1000, 1) <= 1000000 / 8 + 1000);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(in_the_long_run_it_is_the_rate),
	cmocka_unit_test(a_pause_saves_no_more_than_its_depth),
	cmocka_unit_test(a_debt_is_paid_before_the_next_read),
	cmocka_unit_test(without_a_rate_all_passes),
	cmocka_unit_test(another_rate_forgives_a_debt_and_the_same_does_not),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
