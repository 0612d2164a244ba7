// SPDX-License-Identifier: BSD-3-Clause
// Heartbeats out of the loop's timer, against a session that is played. The clock is the test's,
// for libevent too: it stands still unless it is told to go on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <string.h>

#include <event2/event.h>

#include "common/abi/health.h"
#include "control/loop/session.h"
#include "control/loop/watch.h"

#define START_NS UINT64_C(7000000000000)

static struct {
	struct ctl ctl;
	struct tp_region_beats beats;
	bool attached;
	uint64_t now_ns;
} f;

int clock_gettime(clockid_t id, struct timespec *out)
{
	*out = (struct timespec){.tv_sec = (time_t)(f.now_ns / TP_NS_PER_S),
		.tv_nsec = (long)(f.now_ns % TP_NS_PER_S)};
	return 0;
}

struct tp_region_beats *ctl_session_beats(struct ctl_session *s)
{
	return f.attached ? &f.beats : NULL;
}

uint16_t ctl_session_workers(const struct ctl_session *s)
{
	return f.attached ? 2 : 0;
}

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	f.now_ns = START_NS;
	f.attached = true;
	f.ctl.base = event_base_new();
	assert_non_null(f.ctl.base);
	assert_int_equal(ctl_watch_create(&f.ctl, &f.ctl.watch), 0);
	return 0;
}

static int teardown(void **state)
{
	ctl_watch_destroy(f.ctl.watch);
	event_base_free(f.ctl.base);
	return 0;
}

static void pass(uint64_t ns)
{
	f.now_ns += ns;
	event_base_loop(f.ctl.base, EVLOOP_NONBLOCK);
}

static void pass_quarters(unsigned int n)
{
	while (n-- > 0)
		pass(TP_BEAT_EVERY_NS);
}

static struct ctl_watch_view look(void)
{
	struct ctl_watch_view v;

	ctl_watch_look(f.ctl.watch, f.now_ns, &v);
	return v;
}

static void manager_beats(void)
{
	atomic_store(&f.beats.dataplane_ns, f.now_ns);
}

static void control_beats_four_times_a_second(void **state)
{
	assert_int_equal(atomic_load(&f.beats.control_ns), 0);
	pass(TP_BEAT_EVERY_NS - TP_NS_PER_MS);
	assert_int_equal(atomic_load(&f.beats.control_ns), 0);
	pass(TP_NS_PER_MS);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(atomic_load(&f.beats.control_ns), f.now_ns);
		pass(TP_BEAT_EVERY_NS);
	}
}

static void nothing_is_touched_while_detached(void **state)
{
	f.attached = false;
	pass_quarters(8);
	assert_int_equal(atomic_load(&f.beats.control_ns), 0);
	struct ctl_watch_view v = look();
	assert_false(v.beats);
	assert_false(v.manager_hung);
	assert_int_equal(v.workers, 0);
	f.attached = true;
	pass_quarters(1);
	assert_int_equal(atomic_load(&f.beats.control_ns), f.now_ns);
}

static void a_silent_manager_hangs_within_a_second_and_comes_back(void **state)
{
	for (int i = 0; i < 8; i++) {
		manager_beats();
		pass_quarters(1);
		assert_false(look().manager_hung);
	}
	pass_quarters(2);
	assert_false(look().manager_hung);
	pass_quarters(2);
	struct ctl_watch_view v = look();
	assert_true(v.beats && v.manager_hung);
	assert_int_equal(v.hangs, 1);
	assert_in_range(v.manager_ms, 750, 1250);
	pass_quarters(4);
	assert_int_equal(look().hangs, 1); // one and the same
	manager_beats();
	pass_quarters(1);
	v = look();
	assert_false(v.manager_hung);
	assert_int_equal(v.hangs, 1);
}

static void a_dataplane_that_never_beat_is_not_judged(void **state)
{
	pass_quarters(12);
	struct ctl_watch_view v = look();
	assert_false(v.beats || v.manager_hung);
	assert_int_equal(v.hangs, 0);
}

// The machine slept, or this process was stopped: who watches starts over.
static void a_watcher_that_was_away_judges_nobody(void **state)
{
	manager_beats();
	pass_quarters(1);
	pass(60 * TP_NS_PER_S);
	assert_false(look().manager_hung);
	manager_beats();
	pass_quarters(1);
	assert_int_equal(look().hangs, 0);
}

static void ages_of_workers_are_told(void **state)
{
	manager_beats();
	pass_quarters(1);
	atomic_store(&f.beats.worker_ns[0], f.now_ns - 40 * TP_NS_PER_MS);
	atomic_store(&f.beats.worker_ns[1], f.now_ns - 70 * TP_NS_PER_MS);
	struct ctl_watch_view v = look();
	assert_int_equal(v.workers, 2);
	assert_int_equal(v.worker_ms[0], 40);
	assert_int_equal(v.worker_ms[1], 70);
	assert_int_equal(v.manager_ms, 250);
	struct ctl_watch_view none;
	ctl_watch_look(NULL, f.now_ns, &none);
	assert_false(none.beats);
	assert_int_equal(none.workers, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(control_beats_four_times_a_second),
		TEST(nothing_is_touched_while_detached),
		TEST(a_silent_manager_hangs_within_a_second_and_comes_back),
		TEST(a_dataplane_that_never_beat_is_not_judged),
		TEST(a_watcher_that_was_away_judges_nobody),
		TEST(ages_of_workers_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
