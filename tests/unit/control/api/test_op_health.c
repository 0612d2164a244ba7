// SPDX-License-Identifier: BSD-3-Clause
// What `health` tells of a session, a dataplane and beats that are played.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "control/api/operations.h"
#include "control/dpcmd/client.h"
#include "control/loop/session.h"
#include "control/loop/streams.h"
#include "control/loop/watch.h"

static struct {
	struct ctl ctl;
	struct ctl_watch_view view;
	struct ctl_streams_view streams;
	bool attached, in_step;
	json_t *reply;
} f;

void ctl_streams_look(const struct ctl_streams *s, struct ctl_streams_view *out)
{
	*out = f.streams;
}

bool ctl_streams_entry(const struct ctl_streams *s, uint32_t i, struct ctl_stream_view *out)
{
	*out = (struct ctl_stream_view){.number = 0xab, .pid = 77, .clients = 3, .ready = true};
	return i < f.streams.attached;
}

void ctl_watch_look(const struct ctl_watch *w, uint64_t now_ns, struct ctl_watch_view *out)
{
	*out = f.view;
}

bool ctl_session_is_attached(const struct ctl_session *s)
{
	return f.attached;
}

bool ctl_session_in_step(const struct ctl_session *s)
{
	return f.in_step;
}

const char *ctl_dataplane_state_text(const struct ctl_dataplane *d)
{
	return f.attached ? "attached" : "away";
}

void ctl_call_reply(struct ctl_call *call, json_t *result)
{
	assert_null(f.reply);
	f.reply = result;
}

static void ask(void)
{
	f.reply = NULL;
	ctl_op_health(&f.ctl, NULL, NULL);
	assert_non_null(f.reply);
	assert_string_equal(json_string_value(json_object_get(f.reply, "state")), "up");
	assert_int_equal(json_integer_value(json_object_get(f.reply, "pid")), getpid());
}

static const json_t *of_beats(const char *key)
{
	const json_t *value = json_object_get(json_object_get(f.reply, "beats"), key);

	assert_non_null(value);
	return value;
}

static void attached_and_beating(void **state)
{
	f.attached = f.in_step = true;
	f.view = (struct ctl_watch_view){
		.beats = true, .manager_ms = 12, .workers = 2, .worker_ms = {3, 4000}};
	ask();
	assert_true(json_is_true(json_object_get(f.reply, "attached")));
	assert_true(json_is_true(json_object_get(f.reply, "in_step")));
	assert_string_equal(json_string_value(json_object_get(f.reply, "dataplane")), "attached");
	assert_int_equal(json_integer_value(of_beats("manager_ms")), 12);
	assert_true(json_is_false(of_beats("manager_hung")));
	assert_int_equal(json_array_size(of_beats("worker_ms")), 2);
	assert_int_equal(json_integer_value(json_array_get(of_beats("worker_ms"), 1)), 4000);
	json_decref(f.reply);
}

static void attached_and_hung(void **state)
{
	f.attached = true;
	f.in_step = false;
	f.view = (struct ctl_watch_view){
		.beats = true, .manager_hung = true, .manager_ms = 1500, .hangs = 3};
	ask();
	assert_true(json_is_false(json_object_get(f.reply, "in_step")));
	assert_true(json_is_true(of_beats("manager_hung")));
	assert_int_equal(json_integer_value(of_beats("manager_hangs")), 3);
	json_decref(f.reply);
}

// No figure where nothing is known, so that nobody takes 0 ms for a beat.
static void detached_knows_no_beat(void **state)
{
	f.attached = f.in_step = false;
	f.view = (struct ctl_watch_view){.hangs = 1};
	ask();
	assert_true(json_is_false(json_object_get(f.reply, "attached")));
	assert_string_equal(json_string_value(json_object_get(f.reply, "dataplane")), "away");
	assert_true(json_is_null(of_beats("manager_ms")));
	assert_int_equal(json_array_size(of_beats("worker_ms")), 0);
	json_decref(f.reply);
}

static void streams_are_told(void **state)
{
	const json_t *streams, *one;

	f.streams = (struct ctl_streams_view){.wanted = 2, .attached = 1, .clients = 3};
	ask();
	streams = json_object_get(f.reply, "streams");
	assert_int_equal(json_integer_value(json_object_get(streams, "wanted")), 2);
	assert_int_equal(json_integer_value(json_object_get(streams, "attached")), 1);
	one = json_array_get(json_object_get(streams, "processes"), 0);
	assert_string_equal(json_string_value(json_object_get(one, "stream")), "000000ab");
	assert_int_equal(json_integer_value(json_object_get(one, "pid")), 77);
	json_decref(f.reply);
	f.streams = (struct ctl_streams_view){0};
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams_are_told),
		cmocka_unit_test(attached_and_beating),
		cmocka_unit_test(attached_and_hung),
		cmocka_unit_test(detached_knows_no_beat),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
