// SPDX-License-Identifier: BSD-3-Clause
// Heartbeats and probes as the management thread gives, takes and answers them.
#include "tests/unit/dataplane/manage/fixture.h"

static struct tp_probe probe_of(uint32_t timeout_ms)
{
	return (struct tp_probe){.header = {.magic = TP_ABI_MAGIC,
					 .major = TP_ABI_MAJOR,
					 .minor = TP_ABI_MINOR,
					 .type = TP_MSG_PROBE,
					 .length_bytes = sizeof(struct tp_probe)},
		.timeout_ms = timeout_ms};
}

static bool reply_of(int fd, struct tp_probe_reply *out)
{
	ssize_t n = recv(fd, out, sizeof(*out), MSG_DONTWAIT);

	if (n < 0)
		return false;
	assert_int_equal(n, sizeof(*out));
	assert_int_equal(out->header.type, TP_MSG_PROBE_REPLY);
	assert_int_equal(out->workers, 1);
	return true;
}

static void test_a_probe_is_answered_when_the_worker_has_reported(void **state)
{
	struct tp_probe question = probe_of(10000);
	struct tp_probe_reply reply;
	int fd = dial_as(TP_ROLE_STATUS);

	say(fd, &question, sizeof(question));
	assert_int_equal(t.fakes.probes, 1);
	assert_false(reply_of(fd, &reply));
	t.fakes.report = (struct dp_probe_report){.round = 1, .result = TP_PROBE_RELAYED};
	turns(1);
	assert_true(reply_of(fd, &reply));
	assert_int_equal(reply.worker[0].result, TP_PROBE_RELAYED);
	assert_int_equal(reply.control_pid, 0);
	// The next question wants a report of its own.
	say(fd, &question, sizeof(question));
	assert_false(reply_of(fd, &reply));
	t.fakes.report = (struct dp_probe_report){
		.round = 2, .result = TP_PROBE_DROPPED, .reason = TP_DROP_no_channel};
	turns(1);
	assert_true(reply_of(fd, &reply));
	assert_int_equal(reply.worker[0].result, TP_PROBE_DROPPED);
	assert_int_equal(reply.worker[0].reason, TP_DROP_no_channel);
	close(fd);
	turns(1);
}

static void test_a_probe_of_a_worker_that_hangs_is_answered_in_time(void **state)
{
	struct tp_probe question = probe_of(1);
	struct tp_probe_reply reply;
	int fd = dial_as(TP_ROLE_STATUS);

	say(fd, &question, sizeof(question));
	// The loop does not sleep beyond the time, though nothing else happens.
	assert_int_equal(dp_manage_turn(t.m, -1), 0);
	turns(1);
	assert_true(reply_of(fd, &reply));
	assert_int_equal(reply.worker[0].result, TP_PROBE_NONE);
	close(fd);
	turns(1);
}

static void test_a_later_round_answers_all_who_asked_before(void **state)
{
	struct tp_probe question = probe_of(10000);
	struct tp_probe_reply reply;
	int a = dial_as(TP_ROLE_STATUS), b = dial_as(TP_ROLE_STATUS), c = dial_as(TP_ROLE_STATUS);

	say(a, &question, sizeof(question));
	say(b, &question, sizeof(question));
	say(c, &question, sizeof(question));
	close(c); // does not wait: nobody is owed anything
	turns(2);
	t.fakes.report = (struct dp_probe_report){.round = 3, .result = TP_PROBE_RELAYED};
	turns(1);
	assert_true(reply_of(a, &reply));
	assert_true(reply_of(b, &reply));
	close(a);
	close(b);
	turns(2);
}

static void test_a_malformed_probe_ends_the_connection(void **state)
{
	struct tp_probe question = probe_of(0);
	int fd = dial_as(TP_ROLE_STATUS);

	say(fd, &question, sizeof(question));
	expect_refusal(fd, TP_REFUSED_ROLE, 0);
	question = probe_of(TP_PROBE_MAX_TIMEOUT_MS + 1);
	fd = dial_as(TP_ROLE_STATUS);
	say(fd, &question, sizeof(question));
	expect_refusal(fd, TP_REFUSED_ROLE, 0);
	question = probe_of(5);
	question.header.length_bytes = sizeof(question.header);
	fd = dial_as(TP_ROLE_STATUS);
	say(fd, &question, sizeof(question.header));
	expect_refusal(fd, TP_REFUSED_ROLE, 0);
	fd = dial(); // before the greeting
	question = probe_of(5);
	say(fd, &question, sizeof(question));
	expect_refusal(fd, TP_REFUSED_ROLE, 0);
	assert_int_equal(t.fakes.probes, 0);
}

static void test_both_beat_in_the_region(void **state)
{
	struct tp_probe question = probe_of(1000);
	struct tp_probe_reply reply;
	struct attached a;
	struct tp_shm region;
	int fd = dial_as(TP_ROLE_CONTROL), asking = dial_as(TP_ROLE_STATUS);

	attach(fd, &a);
	assert_int_equal(tp_shm_open(dup(a.fds[0]), a.message.region_bytes, &region), 0);
	struct tp_region_beats *beats = tp_region_beats(region.base);
	uint64_t first = atomic_load(&beats->dataplane_ns);
	assert_int_not_equal(first, 0);
	t.fakes.last_seen_ns = 4711;
	assert_int_equal(dp_manage_turn(t.m, 2000), 0); // its own timer
	assert_true(atomic_load(&beats->dataplane_ns) > first);
	assert_int_equal(atomic_load(&beats->worker_ns[0]), 4711);

	t.fakes.report.round = 100;
	say(asking, &question, sizeof(question));
	assert_true(reply_of(asking, &reply));
	assert_int_equal(reply.control_beats, 0); // an earlier version is not blamed
	atomic_store(&beats->control_ns, tp_now_ns() - 5 * TP_NS_PER_S);
	say(asking, &question, sizeof(question));
	assert_true(reply_of(asking, &reply));
	assert_int_equal(reply.control_beats, 1);
	assert_in_range(reply.control_beat_ms, 5000, 60000);
	tp_shm_close(&region);
	detach(fd, &a);

	// A successor does not inherit the beat.
	fd = dial_as(TP_ROLE_CONTROL);
	attach(fd, &a);
	say(asking, &question, sizeof(question));
	assert_true(reply_of(asking, &reply));
	assert_int_not_equal(reply.control_pid, 0);
	assert_int_equal(reply.control_beats, 0);
	close(asking);
	detach(fd, &a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_probe_is_answered_when_the_worker_has_reported),
		T(test_a_probe_of_a_worker_that_hangs_is_answered_in_time),
		T(test_a_later_round_answers_all_who_asked_before),
		T(test_a_malformed_probe_ends_the_connection),
		T(test_both_beat_in_the_region),
	};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
