// SPDX-License-Identifier: BSD-3-Clause
// Generations of stream processes, played by the test; those that control starts only sleep.
#include "streams_scene.h"

#include "control/api/server.h"

// What the operator was answered; of --wrap.
static struct {
	int replies, failures;
	int64_t started, draining, clients;
	char text[300];
} answer;

#define CALL ((struct ctl_call *)(void *)&answer)

void __wrap_ctl_call_reply(struct ctl_call *call, json_t *result);
void __wrap_ctl_call_fail(struct ctl_call *call, enum ctl_rpc_error code, const char *message);

void __wrap_ctl_call_reply(struct ctl_call *call, json_t *result)
{
	assert_ptr_equal(call, CALL);
	answer.replies++;
	answer.started = json_integer_value(json_object_get(result, "started"));
	answer.draining = json_integer_value(json_object_get(result, "draining"));
	answer.clients = json_integer_value(json_object_get(result, "clients"));
	json_decref(result);
}

void __wrap_ctl_call_fail(struct ctl_call *call, enum ctl_rpc_error code, const char *message)
{
	assert_ptr_equal(call, CALL);
	answer.failures++;
	snprintf(answer.text, sizeof(answer.text), "%s", message);
}

static int renew_setup(void **state)
{
	struct scene *s;

	memset(&answer, 0, sizeof(answer));
	assert_int_equal(scene_setup(state), 0);
	s = *state;
	write_stub(s, "#!/bin/sh\nexec sleep 1000\n");
	ctl_respawn_init(&s->w->ctl.streams->respawn, 1, 0, UINT64_MAX / 2);
	return 0;
}

static void come(struct scene *s, struct process *p, uint32_t number)
{
	join(s, p, number);
	announce(s, p, 5);
	say(s, p, TP_STREAM_READY, 0, NULL, 0);
}

static bool told_to_drain(struct process *p)
{
	const struct tp_stream_note *n = tp_ring_front(&p->response);
	bool drain = n && n->kind == TP_STREAM_DRAIN;

	if (n)
		tp_ring_pop(&p->response);
	return drain;
}

static void end_child(struct scene *s)
{
	pid_t pid = s->w->ctl.streams->child[0];

	assert_true(pid > 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_for_end(s, pid);
}

static void the_next_generation_takes_their_place(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	struct ctl_streams_view v;
	struct process before, fresh;

	come(s, &before, 9);
	ctl_streams_renew(streams, CALL);
	turn_loop(s);
	assert_true(streams->child[0] > 0);
	join(s, &fresh, 10);
	turn_loop(s);
	assert_int_equal(answer.replies, 0); // it does not serve before it is ready
	assert_false(told_to_drain(&before));
	say(s, &fresh, TP_STREAM_READY, 0, NULL, 0);
	turn_loop(s);
	assert_int_equal(answer.replies, 1);
	assert_int_equal(answer.started, 1);
	assert_int_equal(answer.draining, 1);
	assert_int_equal(answer.clients, 1);
	assert_true(told_to_drain(&before));
	assert_false(told_to_drain(&fresh));
	ctl_streams_look(streams, &v);
	assert_int_equal(v.attached, 1);
	assert_int_equal(v.clients, 1);
	end_child(s);
	assert_int_equal(answer.failures, 0);
	leave(s, &before);
	leave(s, &fresh);
}

static void one_that_ends_as_it_starts_changes_nothing(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	struct process before;
	pid_t pid;

	write_stub(s, "#!/bin/sh\nexit 1\n");
	come(s, &before, 9);
	ctl_streams_renew(streams, CALL);
	turn_loop(s);
	pid = streams->child[0];
	wait_for_end(s, pid);
	turn_loop(s);
	assert_int_equal(answer.failures, 1);
	assert_non_null(strstr(answer.text, "one ended as it started"));
	assert_int_equal(streams->child[0], 0); // nor is another one started
	assert_false(told_to_drain(&before));
	leave(s, &before);
}

static void those_that_are_not_ready_in_time_go_again(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	struct process before, fresh;
	pid_t pid;

	come(s, &before, 9);
	ctl_streams_renew(streams, CALL);
	turn_loop(s);
	pid = streams->child[0];
	join(s, &fresh, 10);
	assert_true(ctl_streams_deadline(streams) <= streams->renewal.until_ns);
	streams->renewal.until_ns = 1;
	turn_loop(s);
	assert_int_equal(answer.failures, 1);
	assert_non_null(strstr(answer.text, "in time"));
	assert_true(told_to_drain(&fresh));
	assert_false(told_to_drain(&before));
	wait_for_end(s, pid); // it was told to
	leave(s, &before);
	leave(s, &fresh);
}

// As a control finds them that comes when another one died in the middle.
static void the_oldest_beyond_what_is_wanted_are_drained(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	struct process p[3];

	for (uint32_t i = 0; i < 3; i++) {
		join(s, &p[i], 9 + i);
		struct ctl_streams_member *m = TAILQ_LAST(&streams->members, ctl_streams_members);
		assert_true(m->started > 0);
		m->started = (uint64_t[]){20, 10, 30}[i];
	}
	for (uint32_t i = 0; i < 3; i++)
		say(s, &p[i], TP_STREAM_READY, 0, NULL, 0);
	turn_loop(s);
	assert_true(told_to_drain(&p[0]));
	assert_true(told_to_drain(&p[1]));
	assert_false(told_to_drain(&p[2]));
	for (uint32_t i = 0; i < 3; i++)
		leave(s, &p[i]);
}

static void one_at_a_time_and_only_of_those_that_are_started(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;

	ctl_streams_renew(streams, CALL);
	assert_int_equal(answer.failures, 0);
	ctl_streams_renew(streams, CALL);
	assert_int_equal(answer.failures, 1);
	assert_non_null(strstr(answer.text, "under way"));
	ctl_streams_pause(streams); // control is upgraded
	assert_int_equal(answer.failures, 2);
	streams->respawn.wanted = 0;
	ctl_streams_renew(streams, CALL);
	assert_int_equal(answer.failures, 3);
	assert_non_null(strstr(answer.text, "control starts no stream processes"));
	ctl_streams_renew(NULL, CALL);
	assert_int_equal(answer.failures, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, renew_setup, scene_teardown)
		T(the_next_generation_takes_their_place),
		T(one_that_ends_as_it_starts_changes_nothing),
		T(those_that_are_not_ready_in_time_go_again),
		T(the_oldest_beyond_what_is_wanted_are_drained),
		T(one_at_a_time_and_only_of_those_that_are_started),
#undef T
	};

	tp_log_init("test", TP_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
