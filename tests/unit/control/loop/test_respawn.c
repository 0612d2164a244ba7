// SPDX-License-Identifier: BSD-3-Clause
// When missing stream processes are started.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// After those.
#include <cmocka.h>

#include "common/base/clock.h"
#include "control/loop/respawn.h"

#define MS(n) ((n)*TP_NS_PER_MS)
#define T0    MS(1000000)

static void those_that_are_there_are_waited_for(void **state)
{
	struct ctl_respawn r;

	ctl_respawn_init(&r, 2, 1000, T0);
	assert_int_equal(ctl_respawn_due(&r, 0, T0), 0);
	assert_true(ctl_respawn_deadline(&r, 0) == T0 + MS(1000));
	assert_int_equal(ctl_respawn_due(&r, 1, T0 + MS(999)), 0);
	assert_int_equal(ctl_respawn_due(&r, 1, T0 + MS(1000)), 1);
	assert_int_equal(ctl_respawn_due(&r, 2, T0 + MS(1000)), 0);
	assert_true(ctl_respawn_deadline(&r, 2) == UINT64_MAX);
}

static void what_does_not_stay_is_started_later_and_later(void **state)
{
	uint64_t now_ns = T0, wait_ms = TP_BACKOFF_MIN_MS;
	struct ctl_respawn r;

	ctl_respawn_init(&r, 1, 0, now_ns);
	assert_int_equal(ctl_respawn_due(&r, 0, now_ns), 1);
	for (int i = 0; i < 12; i++) {
		ctl_respawn_due(&r, 1, now_ns); // there, and gone at once
		assert_int_equal(ctl_respawn_due(&r, 0, now_ns + 1), 0);
		assert_true(ctl_respawn_deadline(&r, 0) == now_ns + MS(wait_ms));
		now_ns += MS(wait_ms);
		assert_int_equal(ctl_respawn_due(&r, 0, now_ns - 1), 0);
		assert_int_equal(ctl_respawn_due(&r, 0, now_ns), 1);
		wait_ms = wait_ms * 2 < TP_BACKOFF_MAX_MS ? wait_ms * 2 : TP_BACKOFF_MAX_MS;
	}
	assert_int_equal(wait_ms, TP_BACKOFF_MAX_MS);
}

static void what_stayed_is_started_at_once(void **state)
{
	struct ctl_respawn r;
	uint64_t now_ns = T0;

	ctl_respawn_init(&r, 1, 0, now_ns);
	for (int i = 0; i < 5; i++, now_ns += MS(20000)) {
		assert_int_equal(ctl_respawn_due(&r, 0, now_ns), 1);
		assert_int_equal(ctl_respawn_due(&r, 1, now_ns), 0);
	}
	assert_int_equal(ctl_respawn_due(&r, 0, now_ns), 1);
	assert_true(ctl_respawn_deadline(&r, 0) == now_ns + MS(TP_BACKOFF_MIN_MS));
}

static void nothing_is_wanted_where_somebody_else_starts_them(void **state)
{
	struct ctl_respawn r;

	ctl_respawn_init(&r, 0, 1000, T0);
	assert_int_equal(ctl_respawn_due(&r, 0, T0 + MS(5000)), 0);
	assert_true(ctl_respawn_deadline(&r, 0) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_are_there_are_waited_for),
		cmocka_unit_test(what_does_not_stay_is_started_later_and_later),
		cmocka_unit_test(what_stayed_is_started_at_once),
		cmocka_unit_test(nothing_is_wanted_where_somebody_else_starts_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
