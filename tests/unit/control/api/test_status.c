// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/status.h"

static struct tp_status_reply good_reply(void)
{
	struct tp_status_reply r = {.header = {.magic = TP_ABI_MAGIC,
					    .major = TP_ABI_MAJOR,
					    .type = TP_MSG_STATUS_REPLY,
					    .length_bytes = sizeof(r)},
		.version = "0.1.0",
		.pid = 12,
		.workers = 1,
		.ports = 1,
		.mbufs_total = 100,
		.mbufs_free = 50,
		.held = 4};

	r.counter[TP_COUNTER_rx] = 100;
	r.counter[TP_COUNTER_stream_up] = 20;
	r.counter[TP_COUNTER_stream_down] = 15;
	r.counter[TP_COUNTER_tx] = 85;
	r.counter[TP_COUNTER_punted] = 6;
	r.counter[TP_COUNTER_cycles_busy] = 25000;
	r.drop[TP_DROP_no_permission] = 7;
	r.drop[TP_DROP_not_ip] = 3;
	strcpy(r.port[0].name, "wan");
	r.port[0].link_up = 1;
	r.port[0].steer_icmp = 9;
	return r;
}

static int64_t at(const json_t *o, const char *group, const char *key)
{
	const json_t *value = json_object_get(json_object_get(o, group), key);

	assert_true(json_is_integer(value));
	return json_integer_value(value);
}

static void the_books_close(void **state)
{
	struct tp_status_reply r = good_reply();
	json_t *o = ctl_status_dataplane_json(&r);

	assert_int_equal(at(o, "books", "rx"), 100);
	assert_int_equal(at(o, "books", "drops"), 10);
	assert_int_equal(at(o, "books", "held"), 4);
	assert_int_equal(at(o, "books", "difference"), 0);
	assert_int_equal(at(o, "drops", "no_permission"), 7);
	assert_int_equal(at(o, "drops", "bad_ip"), 0); // also the zeros, for scripts
	assert_int_equal(at(o, "counters", "tx"), 85);
	assert_true(json_real_value(json_object_get(o, "cycles_per_packet")) == 250.0);
	const json_t *port = json_array_get(json_object_get(o, "ports"), 0);
	assert_int_equal(at(port, "steering", "icmp"), 9);
	json_decref(o);
}

static void a_difference_is_shown_with_its_sign(void **state)
{
	struct tp_status_reply r = good_reply();
	json_t *o;

	r.counter[TP_COUNTER_rx] = 103;
	o = ctl_status_dataplane_json(&r);
	assert_int_equal(at(o, "books", "difference"), 3);
	json_decref(o);
	r.counter[TP_COUNTER_rx] = 98;
	o = ctl_status_dataplane_json(&r);
	assert_int_equal(at(o, "books", "difference"), -2);
	json_decref(o);
}

static void drops_of_a_newer_dataplane_count(void **state)
{
	struct tp_status_reply r = good_reply();
	char name[32];
	json_t *o;

	r.drop[TP_DROP_PLACES - 1] = 5;
	o = ctl_status_dataplane_json(&r);
	assert_int_equal(at(o, "books", "difference"), -5);
	snprintf(name, sizeof(name), "reason_%u", TP_DROP_PLACES - 1);
	assert_int_equal(at(o, "drops", name), 5);
	json_decref(o);
}

static void unterminated_and_hostile_names_are_harmless(void **state)
{
	struct tp_status_reply r = good_reply();
	char *text;
	json_t *o;

	memset(r.port[0].name, '\x1b', sizeof(r.port[0].name));
	memset(r.version, 0xff, sizeof(r.version));
	o = ctl_status_dataplane_json(&r);
	text = json_dumps(o, 0);
	assert_non_null(text);
	assert_null(strchr(text, '\x1b'));
	free(text);
	json_decref(o);
}

static void reads_only_status_replies(void **state)
{
	struct tp_status_reply r = good_reply(), out;

	assert_int_equal(ctl_status_read(&r, sizeof(r), &out), 0);
	for (size_t length = 0; length < sizeof(r.header); length++) {
		void *exact = test_malloc(length + 1);
		memcpy(exact, &r, length);
		assert_int_equal(ctl_status_read(exact, length, &out), -EPROTO);
		test_free(exact);
	}
	assert_int_equal(ctl_status_read(&r, sizeof(r) - 1, &out), -EPROTO);
	r.header.major++;
	assert_int_equal(ctl_status_read(&r, sizeof(r), &out), -EPROTO);
	r = good_reply();
	r.header.magic++;
	assert_int_equal(ctl_status_read(&r, sizeof(r), &out), -EPROTO);
	r = good_reply();
	r.ports = TP_MAX_PORTS + 1;
	assert_int_equal(ctl_status_read(&r, sizeof(r), &out), -EPROTO);
}

static void shorter_and_longer_replies_of_other_minors_are_read(void **state)
{
	struct {
		struct tp_status_reply reply;
		uint8_t newer[64];
	} longer = {.reply = good_reply()};
	struct tp_status_reply out;

	longer.reply.header.length_bytes = sizeof(longer);
	assert_int_equal(ctl_status_read(&longer, sizeof(longer), &out), 0);
	assert_int_equal(out.pid, 12);
	longer.reply.header.length_bytes = 128;
	assert_int_equal(ctl_status_read(&longer, 128, &out), 0);
	assert_int_equal(out.ports, 1);
	assert_int_equal(out.held, 0);
}

static void assert_state(json_t *control, json_t *dataplane, const char *expected, size_t reasons)
{
	json_t *o = ctl_status_compose(control, dataplane);

	assert_string_equal(json_string_value(json_object_get(o, "state")), expected);
	assert_int_equal(json_array_size(json_object_get(o, "reasons")), reasons);
	json_decref(o);
}

static json_t *good_control(bool attached)
{
	return json_pack("{s:s, s:b}", "state", "up", "attached", attached);
}

static void the_state_says_why(void **state)
{
	struct tp_status_reply r = good_reply();

	assert_state(good_control(true), ctl_status_dataplane_json(&r), "healthy", 0);
	assert_state(NULL, ctl_status_dataplane_json(&r), "degraded", 1);
	assert_state(good_control(true), NULL, "degraded", 1);
	assert_state(good_control(false), ctl_status_dataplane_json(&r), "degraded", 1);
	assert_state(NULL, NULL, "down", 2);
	r.port[0].link_up = 0;
	r.workers_late = 1;
	r.mbufs_free = 0;
	assert_state(good_control(true), ctl_status_dataplane_json(&r), "degraded", 3);
}

static json_t *control_with_streams(int wanted, int attached)
{
	return json_pack("{s:s, s:b, s:{s:i, s:i}}", "state", "up", "attached", 1, "streams",
		"wanted", wanted, "attached", attached);
}

static void missing_stream_processes_degrade(void **state)
{
	struct tp_status_reply r = good_reply();

	assert_state(control_with_streams(2, 2), ctl_status_dataplane_json(&r), "healthy", 0);
	assert_state(control_with_streams(0, 0), ctl_status_dataplane_json(&r), "healthy", 0);
	assert_state(control_with_streams(0, 3), ctl_status_dataplane_json(&r), "healthy", 0);
	assert_state(control_with_streams(2, 1), ctl_status_dataplane_json(&r), "degraded", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_books_close),
		cmocka_unit_test(a_difference_is_shown_with_its_sign),
		cmocka_unit_test(drops_of_a_newer_dataplane_count),
		cmocka_unit_test(unterminated_and_hostile_names_are_harmless),
		cmocka_unit_test(reads_only_status_replies),
		cmocka_unit_test(shorter_and_longer_replies_of_other_minors_are_read),
		cmocka_unit_test(the_state_says_why),
		cmocka_unit_test(missing_stream_processes_degrade),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
