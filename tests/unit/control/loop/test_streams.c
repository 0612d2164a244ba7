// SPDX-License-Identifier: BSD-3-Clause
// Stream processes at control's socket, played by the test: attachments, allocations that end with
// connections and processes, starts.
#include "streams_scene.h"

static void a_request_is_answered_the_way_it_came(void **state)
{
	static const uint8_t binding[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3};
	struct scene *s = *state;
	const struct tp_stream_note *n;
	struct process p;

	join(s, &p, 9);
	announce(s, &p, 5);
	say(s, &p, TP_STREAM_REQUEST, 5, binding, sizeof(binding));
	n = tp_ring_front(&p.response);
	assert_non_null(n);
	assert_int_equal(n->kind, TP_STREAM_RESPONSE);
	assert_int_equal(n->connection, 5);
	assert_int_equal(n->payload[0] << 8 | n->payload[1], 0x0101);
	leave(s, &p);
}

static void a_wakeup_ends_the_sleep(void **state)
{
	struct scene *s = *state;
	uint64_t value;
	struct process p;

	join(s, &p, 9);
	assert_true(ctl_session_sleep(s->w->ctl.session));
	announce(s, &p, 5); // of the loop's turn that follows nothing is needed
	assert_int_equal(ctl_streams_counters(s->w->ctl.streams)->malformed, 0);
	assert_true(ctl_session_sleep(s->w->ctl.session));
	struct tp_stream_note *n = tp_ring_reserve(&p.request);
	assert_non_null(n);
	*n = (struct tp_stream_note){.kind = TP_STREAM_READY};
	tp_ring_commit(&p.request);
	tp_ring_flush(&p.request);
	assert_int_equal(read(p.fds[1], &value, sizeof(value)), sizeof(value));
	assert_false(ctl_session_sleep(s->w->ctl.session));
	leave(s, &p);
}

static void bad_greetings_are_refused(void **state)
{
	struct scene *s = *state;
	struct tp_stream_control said;
	struct process p;
	int fds[3];

	join(s, &p, 9);
	for (int i = 0; i < 9; i++) {
		struct tp_stream_hello hello = hello_of(10);
		size_t bytes = sizeof(hello);
		int sock = dial(s);

		turn_loop(s);
		hello.hello.header.magic += i == 0;
		hello.hello.header.major += i == 1;
		hello.hello.role = i == 2 ? TP_ROLE_CONTROL : TP_ROLE_STREAM;
		hello.stream = i == 3 ? 0 : i == 4 ? 9 : 10; // none; one that is there
		hello.hello.sizes[TP_SIZE_STREAM_NOTE] += i == 5;
		hello.hello.header.length_bytes += i == 6;
		bytes = i == 7 ? sizeof(hello.hello) : i == 8 ? 3 : bytes;
		assert_int_equal(greet(s, sock, &hello, bytes, &said, fds), TP_MSG_REFUSED);
		assert_int_equal(recv(sock, &said, 1, 0), 0); // closed
		close(sock);
	}
	assert_true(ctl_streams_sleep(s->w->ctl.streams));
	struct ctl_streams_view v;
	ctl_streams_look(s->w->ctl.streams, &v);
	assert_int_equal(v.attached, 1);
	leave(s, &p);
}

static void the_end_of_a_connection_ends_its_allocation(void **state)
{
	struct scene *s = *state;
	struct process p;

	join(s, &p, 9);
	announce(s, &p, 5);
	announce(s, &p, 6);
	announce(s, &p, 7);
	allocate(s, 9, 5);
	allocate(s, 9, 6);
	allocate(s, 9, 7);
	say(s, &p, TP_STREAM_CLOSED, 7, NULL, 0); // while it announces: at the end of that
	say(s, &p, TP_STREAM_READY, 0, NULL, 0);
	assert_int_equal(allocations(s), 2);
	say(s, &p, TP_STREAM_CLOSED, 5, NULL, 0);
	assert_int_equal(allocations(s), 1);
	leave(s, &p);
	assert_int_equal(allocations(s), 1); // it may come back
}

// A note that the process was sent, which is taken; 0: none.
static uint16_t told(struct process *p, uint32_t *connection)
{
	const struct tp_stream_note *n = tp_ring_front(&p->response);
	uint16_t kind = n ? n->kind : 0;

	if (n) {
		*connection = n->connection;
		tp_ring_pop(&p->response);
	}
	return kind;
}

// RFC 6347 section 4.2.8, where the new session is another process's.
static void a_new_dtls_session_ends_the_old_one_elsewhere(void **state)
{
	struct scene *s = *state;
	struct process old, next;
	uint32_t connection = 0;

	join(s, &old, 8);
	for (uint32_t i = 1; i <= 3; i++)
		announce_one(s, &old, i, TP_STREAM_DTLS_CLIENT, (uint16_t)(1000 + i));
	announce_one(s, &old, 4, TP_STREAM_TCP, 1004);
	say(s, &old, TP_STREAM_READY, 0, NULL, 0);
	join(s, &next, 9);
	// What it announces at its beginning may be the older one.
	announce_one(s, &next, 1, TP_STREAM_DTLS_CLIENT, 1001);
	say(s, &next, TP_STREAM_READY, 0, NULL, 0);
	assert_int_equal(told(&old, &connection), 0);

	announce_one(s, &next, 2, TP_STREAM_DTLS_CLIENT, 1002);
	assert_int_equal(told(&old, &connection), TP_STREAM_CLOSE);
	assert_int_equal(connection, 2);
	// A connection of TCP has its own socket, and nobody else's five-tuple matters.
	announce_one(s, &next, 4, TP_STREAM_DTLS_CLIENT, 1004);
	announce_one(s, &next, 5, TP_STREAM_DTLS_CLIENT, 1005);
	assert_int_equal(told(&old, &connection), 0);
	say(s, &old, TP_STREAM_CLOSED, 3, NULL, 0);
	announce_one(s, &next, 3, TP_STREAM_DTLS_CLIENT, 1003);
	assert_int_equal(told(&old, &connection), 0);
	assert_int_equal(told(&next, &connection), 0);
	leave(s, &next);
	leave(s, &old);
}

// As of a control that was started again: the allocations are there before the processes.
static void what_is_not_announced_ends_when_all_is(void **state)
{
	struct scene *s = *state;
	struct process p;

	allocate(s, 9, 5);
	allocate(s, 9, 6);
	allocate(s, 8, 6); // another process's
	join(s, &p, 9);
	announce(s, &p, 5);
	assert_int_equal(allocations(s), 3);
	say(s, &p, TP_STREAM_READY, 0, NULL, 0);
	assert_int_equal(allocations(s), 2);
	leave(s, &p);
}

static void processes_that_do_not_come_back_are_waited_for_so_long(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	struct ctl_streams_member *m;
	struct process p;

	join(s, &p, 9);
	announce(s, &p, 5);
	say(s, &p, TP_STREAM_READY, 0, NULL, 0);
	allocate(s, 9, 5);
	allocate(s, 8, 5); // one that never came
	leave(s, &p);
	assert_int_equal(allocations(s), 2);
	assert_true(
		ctl_streams_deadline(streams) <= tp_now_ns() + CTL_STREAM_GRACE_S * TP_NS_PER_S);
	streams->absent_until_ns = 1; // its time has come
	turn_loop(s);
	assert_int_equal(allocations(s), 1);
	m = TAILQ_FIRST(&streams->members);
	assert_int_equal(m->stream.number, 9);
	m->until_ns = 1;
	turn_loop(s);
	assert_int_equal(allocations(s), 0);
	assert_true(TAILQ_EMPTY(&streams->members));
}

static void who_comes_back_in_time_keeps_its_allocations(void **state)
{
	struct scene *s = *state;
	struct process p;

	join(s, &p, 9);
	announce(s, &p, 5);
	allocate(s, 9, 5);
	leave(s, &p);
	s->w->ctl.streams->absent_until_ns = 1;
	join(s, &p, 9);
	announce(s, &p, 5);
	say(s, &p, TP_STREAM_READY, 0, NULL, 0);
	assert_int_equal(allocations(s), 1);
	leave(s, &p);
}

// It died with both in its ring: the end counts, the request is nobody's.
static void what_a_process_said_last_is_heard(void **state)
{
	struct scene *s = *state;
	struct tp_stream_note *n;
	struct process p;

	join(s, &p, 9);
	announce(s, &p, 5);
	announce(s, &p, 6);
	say(s, &p, TP_STREAM_READY, 0, NULL, 0);
	allocate(s, 9, 5);
	allocate(s, 9, 6);
	n = tp_ring_reserve(&p.request);
	*n = (struct tp_stream_note){.kind = TP_STREAM_REQUEST, .length = 20, .connection = 6};
	memset(n->payload, 0, 20);
	tp_ring_commit(&p.request);
	n = tp_ring_reserve(&p.request);
	*n = (struct tp_stream_note){.kind = TP_STREAM_CLOSED, .connection = 5};
	tp_ring_commit(&p.request);
	tp_ring_flush(&p.request);
	uint64_t received = ctl_streams_counters(s->w->ctl.streams)->received;
	close(p.sock);
	event_base_loop(s->w->ctl.base, EVLOOP_ONCE | EVLOOP_NONBLOCK); // it is seen to be gone
	p.sock = dial(s);
	turn_loop(s);
	assert_int_equal(allocations(s), 1);
	assert_int_equal(ctl_streams_counters(s->w->ctl.streams)->received, received);
	leave(s, &p);
}

static void who_does_not_greet_is_cut_off(void **state)
{
	struct scene *s = *state;
	int sock = dial(s);

	turn_loop(s);
	turn_loop(s);
	TAILQ_FIRST(&s->w->ctl.streams->members)->until_ns = 1;
	turn_loop(s);
	assert_int_equal(recv(sock, &(char){0}, 1, 0), 0);
	close(sock);
}

static void a_reload_is_passed_on(void **state)
{
	struct scene *s = *state;
	const struct tp_stream_note *n;
	struct process p;

	join(s, &p, 9);
	ctl_streams_reload(s->w->ctl.streams, &s->w->conf);
	n = tp_ring_front(&p.response);
	assert_non_null(n);
	assert_int_equal(n->kind, TP_STREAM_RELOAD);
	leave(s, &p);
}

struct asked {
	unsigned int times, none;
	struct tp_stream_counters counters;
};

static void on_asked(void *context, const struct tp_stream_counters *counters)
{
	struct asked *a = context;

	a->times++;
	a->none += !counters;
	if (counters)
		a->counters = *counters;
}

static void what_a_process_counts_of_a_client(void **state)
{
	const struct tp_stream_counters counters = {7, 7000, 64};
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	const struct tp_stream_client client = {9, 5};
	const struct tp_stream_note *n;
	struct asked a = {0}, other = {0};
	struct process p;

	ctl_streams_ask(NULL, client, on_asked, &a);
	ctl_streams_ask(streams, client, on_asked, &a); // not there
	assert_int_equal(a.none, 2);
	join(s, &p, 9);
	announce(s, &p, 5);
	announce(s, &p, 6);
	ctl_streams_ask(streams, client, on_asked, &a);
	ctl_streams_ask(streams, (struct tp_stream_client){9, 6}, on_asked, &other);
	ctl_streams_flush(streams);
	for (uint32_t i = 5; i < 7; i++) {
		n = tp_ring_front(&p.response);
		assert_non_null(n);
		assert_int_equal(n->kind, TP_STREAM_ASK);
		assert_int_equal(n->connection, i);
		tp_ring_pop(&p.response);
	}
	assert_true(ctl_streams_deadline(streams) < tp_now_ns() + TP_NS_PER_S);
	say(s, &p, TP_STREAM_COUNTERS, 5, &counters, sizeof(counters));
	assert_int_equal(a.times, 3);
	assert_memory_equal(&a.counters, &counters, sizeof(counters));
	ctl_streams_ask_expire(streams, tp_now_ns());
	assert_int_equal(other.times, 0);
	ctl_streams_ask_expire(streams, tp_now_ns() + TP_NS_PER_S);
	assert_int_equal(other.none, 1);
	ctl_streams_ask(streams, client, on_asked, &a);
	ctl_streams_pause(streams); // nobody will answer any more
	assert_int_equal(a.none, 3);
	leave(s, &p);
}

static void what_is_told_leaves_while_the_dataplane_is_away_too(void **state)
{
	const struct tp_stream_client client = {9, 5};
	struct scene *s = *state;
	const struct tp_stream_note *n;
	struct asked a = {0};
	struct process p;

	join(s, &p, 9);
	announce(s, &p, 5);
	s->w->ctl.session->attached = false;
	ctl_streams_ask(s->w->ctl.streams, client, on_asked, &a);
	turn_loop(s);
	n = tp_ring_front(&p.response);
	assert_non_null(n);
	assert_int_equal(n->kind, TP_STREAM_ASK);
	s->w->ctl.session->attached = true;
	leave(s, &p);
}

static void a_stranger_that_asks_too_much_is_closed(void **state)
{
	static const uint8_t binding[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3};
	const struct ctl_stream_counters *c =
		ctl_streams_counters(((struct scene *)*state)->w->ctl.streams);
	struct scene *s = *state;
	const struct tp_stream_note *n;
	unsigned int answers = 0;
	struct process p;

	s->w->conf.unauthenticated.per_address = 3;
	join(s, &p, 9);
	announce(s, &p, 5);
	announce(s, &p, 6);
	allocate(s, 9, 6); // no stranger, at the same address
	for (int i = 0; i < 8; i++)
		say(s, &p, TP_STREAM_REQUEST, 6, binding, sizeof(binding));
	for (int i = 0; i < 4; i++)
		say(s, &p, TP_STREAM_REQUEST, 5, binding, sizeof(binding));
	ctl_streams_flush(s->w->ctl.streams);
	while ((n = tp_ring_front(&p.response)) && n->kind == TP_STREAM_RESPONSE) {
		tp_ring_pop(&p.response);
		answers++;
	}
	assert_int_equal(answers, 11);
	assert_non_null(n);
	assert_int_equal(n->kind, TP_STREAM_CLOSE);
	assert_int_equal(n->connection, 5);
	assert_int_equal(c->over_budget, 1);
	leave(s, &p);
}

static void an_upgrade_lets_go_and_may_take_back(void **state)
{
	struct scene *s = *state;
	struct process p;

	join(s, &p, 9);
	ctl_streams_pause(s->w->ctl.streams);
	assert_int_equal(recv(p.sock, &(char){0}, 1, 0), 0);
	leave(s, &p);
	ctl_streams_resume(s->w->ctl.streams);
	join(s, &p, 9); // that waited in the backlog, or comes now
	leave(s, &p);
}

// ---- starts

static void missing_processes_are_started_and_stopped(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	struct ctl_streams_view v;
	pid_t pid;

	write_stub(s, "#!/bin/sh\n[ \"$*\" = \"-c /nonexistent.json\" ] && exec sleep 1000\n");
	ctl_respawn_init(&streams->respawn, 1, 0, tp_now_ns());
	turn_loop(s);
	pid = streams->child[0];
	assert_true(pid > 0);
	turn_loop(s); // one is enough
	assert_int_equal(streams->child[1], 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_for_end(s, pid);
	streams->respawn.not_before_ns = 0;
	turn_loop(s);
	assert_true(streams->child[0] > 0 && streams->child[0] != pid);
	ctl_streams_look(streams, &v);
	assert_int_equal(v.starts, 2);
	pid = streams->child[0];
	ctl_streams_stop(streams);
	wait_for_end(s, pid);
}

static void those_that_are_there_are_not_started_again(void **state)
{
	struct scene *s = *state;
	struct ctl_streams *streams = s->w->ctl.streams;
	struct process p;

	ctl_respawn_init(&streams->respawn, 1, 0, UINT64_MAX / 2);
	join(s, &p, 9);
	ctl_respawn_init(&streams->respawn, 1, 0, 0);
	turn_loop(s);
	assert_int_equal(streams->child[0], 0);
	leave(s, &p);
	assert_int_equal(streams->starts, 0); // there is no such program
	assert_true(streams->respawn.backoff.next_ms > TP_BACKOFF_MIN_MS);
}

static void what_is_wanted_depends_on_listeners(void **state)
{
	struct conf conf = {.n_listeners = 1, .streams.processes = 3};

	conf.listeners[0].transports = CONF_TRANSPORT_UDP;
	assert_int_equal(ctl_streams_wanted(&conf), 0);
	conf.listeners[0].transports = CONF_TRANSPORT_TLS;
	assert_int_equal(ctl_streams_wanted(&conf), 3);
	conf.streams.processes = 0;
	assert_int_equal(ctl_streams_wanted(&conf), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
		T(a_request_is_answered_the_way_it_came),
		T(a_wakeup_ends_the_sleep),
		T(bad_greetings_are_refused),
		T(the_end_of_a_connection_ends_its_allocation),
		T(a_new_dtls_session_ends_the_old_one_elsewhere),
		T(what_is_not_announced_ends_when_all_is),
		T(processes_that_do_not_come_back_are_waited_for_so_long),
		T(who_comes_back_in_time_keeps_its_allocations),
		T(what_a_process_said_last_is_heard),
		T(who_does_not_greet_is_cut_off),
		T(a_reload_is_passed_on),
		T(what_a_process_counts_of_a_client),
		T(what_is_told_leaves_while_the_dataplane_is_away_too),
		T(a_stranger_that_asks_too_much_is_closed),
		T(an_upgrade_lets_go_and_may_take_back),
		T(missing_processes_are_started_and_stopped),
		T(those_that_are_there_are_not_started_again),
#undef T
		cmocka_unit_test(what_is_wanted_depends_on_listeners),
	};

	tp_log_init("test", TP_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
