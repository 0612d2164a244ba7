// SPDX-License-Identifier: BSD-3-Clause
// The token bucket and the exact counters of a flow.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/path/account.h"
#include "dataplane/path/police.h"

#define MS    UINT64_C(1000000)
#define START UINT64_C(987654321000000)

// Bytes that pass in `ms` milliseconds when a datagram is offered every `every_us`.
static uint64_t passed(uint32_t rate, uint32_t bytes, uint64_t every_us, uint64_t ms)
{
	_Atomic uint64_t word = 0;
	uint64_t sum = 0;

	for (uint64_t us = 0; us < ms * 1000; us += every_us) {
		if (dp_police(&word, rate, bytes, START + us * 1000))
			sum += bytes;
	}
	return sum;
}

static void test_the_rate_holds_from_slow_to_fast(void **state)
{
	static const uint32_t rates[] = {1, 8, 100, 12500, 1250000};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		// Ten seconds, offered twenty datagrams for each that fits.
		uint64_t want = (uint64_t)rates[i] * 10000;
		uint64_t depth = (uint64_t)rates[i] * 135 + 6000;
		uint64_t every_us = RTE_MAX(200 * 1000 / 20 / rates[i], 1u);
		// A microsecond apart is not often enough for the fastest: larger datagrams.
		uint32_t bytes = rates[i] > 10000 ? 4000 : 200;
		uint64_t got = passed(rates[i], bytes, every_us, 10000);
		assert_in_range(got, want * 99 / 100, want + depth);
	}
}

static void test_zero_is_unlimited(void **state)
{
	assert_int_equal(passed(0, 1400, 10, 10), 1400 * 1000);
}

static void test_below_the_rate_nothing_is_lost(void **state)
{
	// 20 ms voice: 172 bytes, 8.6 kB/s; rate 9 kB/s.
	assert_int_equal(passed(9, 172, 20000, 10000), 172 * 500);
}

// However far the product of time and rate has wrapped.
static void test_a_flow_begins_with_a_full_bucket(void **state)
{
	static const uint32_t rates[] = {1, 12500, 1250000, UINT32_MAX};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (uint64_t day = 1; day < 1000; day++) {
			_Atomic uint64_t word = 0;
			uint64_t now = day * 86400 * 1000 * MS;
			for (int k = 0; k < 4; k++)
				assert_true(dp_police(&word, rates[i], 1500, now));
		}
}

static void test_a_lowered_or_raised_rate_takes_effect(void **state)
{
	_Atomic uint64_t word = 0;
	uint64_t now = START;
	int slow = 0, fast = 0;

	for (int i = 0; i < 1000; i++, now += MS)
		dp_police(&word, 1000, 1000, now);
	for (int i = 0; i < 1000; i++, now += MS)
		slow += dp_police(&word, 100, 1000, now);
	assert_in_range(slow, 95, 125);
	for (int i = 0; i < 1000; i++, now += MS)
		fast += dp_police(&word, 1000, 1000, now);
	assert_in_range(fast, 995, 1000);
}

static void test_another_workers_clock_a_little_behind_does_not_block(void **state)
{
	_Atomic uint64_t word = 0;
	int pass = 0;

	for (int i = 0; i < 1000; i++) {
		uint64_t now = START + (uint64_t)i * MS;
		pass += dp_police(&word, 1000, 900, now - (i & 1 ? 20000 : 0));
	}
	assert_int_equal(pass, 1000);
}

// Datagrams that pass in ten seconds of `offered` a second.
static uint64_t packets_passed(uint32_t rate, uint64_t offered)
{
	_Atomic uint64_t word = 0;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < 10 * offered; i++)
		sum += dp_police_packet(&word, rate, START + i * 1000 * MS / offered);
	return sum;
}

static void test_packets_are_counted_whatever_their_size(void **state)
{
	static const uint32_t rates[] = {1, 50, 1000, 20000};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t want = (uint64_t)rates[i] * 10;
		assert_in_range(packets_passed(rates[i], rates[i] * UINT64_C(20)), want * 99 / 100,
			want + rates[i] * 135 / 1000 + 5);
		assert_int_equal(packets_passed(rates[i], rates[i]), want);
	}
	assert_int_equal(packets_passed(0, 1000), 10000);
}

// Two workers offer twenty times the rate between them, each a little ahead of the other in turn.
static void test_workers_that_share_a_word_keep_the_rate(void **state)
{
	_Atomic uint64_t word = 0;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < 200000; i++) {        // ten seconds
		uint64_t skew_ns = i & 32 ? 20000 : 0; // a burst of one, a burst of the other
		sum += dp_police_packet(&word, 1000, START + i * 50000 - skew_ns);
	}
	// 20 microseconds of the rate, 3125 times.
	assert_in_range(sum, 9900, 10000 + 134 + 4 + 3125 * 20 / 1000 + 1);
}

static void test_owner_and_others_count_apart(void **state)
{
	static struct dp_worker a = {.index = 1}, b = {.index = 2};
	static struct dp_flow flow = {.owner = DP_OWNER_NONE};

	dp_account_channel(&a, &flow, 10);
	dp_account_channel(&b, &flow, 20);
	dp_account_channel(&a, &flow, 30);
	assert_int_equal(flow.owner, 1);
	assert_int_equal(flow.packets, 2);
	assert_int_equal(flow.bytes, 40);
	assert_int_equal(flow.up_packets, 1);
	assert_int_equal(flow.up_bytes, 20);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_the_rate_holds_from_slow_to_fast),
	cmocka_unit_test(test_zero_is_unlimited),
	cmocka_unit_test(test_below_the_rate_nothing_is_lost),
	cmocka_unit_test(test_a_flow_begins_with_a_full_bucket),
	cmocka_unit_test(test_a_lowered_or_raised_rate_takes_effect),
	cmocka_unit_test(test_another_workers_clock_a_little_behind_does_not_block),
	cmocka_unit_test(test_packets_are_counted_whatever_their_size),
	cmocka_unit_test(test_workers_that_share_a_word_keep_the_rate),
	cmocka_unit_test(test_owner_and_others_count_apart),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
