// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/beat.h"

#define START (1000 * TP_NS_PER_S)

// Looks every 250 ms; `beat` stays as it is.
static int look(struct tp_beat_watch *w, uint64_t beat, unsigned int quarters, uint64_t *silent_ns)
{
	return (int)tp_beat_look(w, beat, START + quarters * TP_BEAT_EVERY_NS, silent_ns);
}

static void a_hang_and_the_return_are_said_once_each(void **state)
{
	struct tp_beat_watch w = {0};
	uint64_t silent_ns;

	assert_int_equal(look(&w, 7, 0, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 7, 1, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 7, 2, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 7, 3, &silent_ns), TP_BEAT_HANGS);
	assert_int_equal(silent_ns, 3 * TP_BEAT_EVERY_NS);
	for (unsigned int i = 4; i < 40; i++)
		assert_int_equal(look(&w, 7, i, NULL), TP_BEAT_SAME);
	assert_true(w.hung);
	assert_int_equal(look(&w, 8, 40, &silent_ns), TP_BEAT_IS_BACK);
	assert_int_equal(silent_ns, 40 * TP_BEAT_EVERY_NS);
	assert_int_equal(look(&w, 9, 41, NULL), TP_BEAT_SAME);
	assert_false(w.hung);
	assert_int_equal(w.hangs, 1);
}

static void whoever_beats_never_hangs_whatever_it_writes(void **state)
{
	struct tp_beat_watch w = {0};

	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(look(&w, i % 2 ? UINT64_MAX : 1, i, NULL), TP_BEAT_SAME);
	assert_int_equal(w.hangs, 0);
}

// A value far in the future buys nothing: it has to change.
static void a_beat_in_the_future_ages_as_any_other(void **state)
{
	struct tp_beat_watch w = {0};

	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(look(&w, UINT64_MAX - 1, i, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, UINT64_MAX - 1, 3, NULL), TP_BEAT_HANGS);
	assert_int_equal(tp_beat_age_ms(UINT64_MAX - 1, START), 0);
}

static void nobody_who_never_beat_is_judged(void **state)
{
	struct tp_beat_watch w = {0};

	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(look(&w, 0, i, NULL), TP_BEAT_SAME);
}

// The machine slept, or we were stopped: the first look afterwards judges nothing.
static void a_watcher_that_did_not_look_starts_over(void **state)
{
	struct tp_beat_watch w = {0};

	assert_int_equal(look(&w, 7, 0, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 7, 400, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 7, 401, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 7, 402, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 7, 403, NULL), TP_BEAT_HANGS);
}

static void a_successor_is_not_blamed_for_its_predecessor(void **state)
{
	struct tp_beat_watch w = {0};

	for (unsigned int i = 0; i < 4; i++)
		look(&w, 7, i, NULL);
	assert_true(w.hung);
	tp_beat_forget(&w);
	assert_int_equal(look(&w, 0, 4, NULL), TP_BEAT_SAME);
	assert_int_equal(look(&w, 8, 5, NULL), TP_BEAT_SAME);
	assert_int_equal(w.hangs, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hang_and_the_return_are_said_once_each),
		cmocka_unit_test(whoever_beats_never_hangs_whatever_it_writes),
		cmocka_unit_test(a_beat_in_the_future_ages_as_any_other),
		cmocka_unit_test(nobody_who_never_beat_is_judged),
		cmocka_unit_test(a_watcher_that_did_not_look_starts_over),
		cmocka_unit_test(a_successor_is_not_blamed_for_its_predecessor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
