// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/dpcmd/commands.h"

#define SLOTS 8

struct rings {
	void *memory;
	struct tp_ring ours, theirs;
};

static void rings_init(struct rings *r)
{
	size_t bytes = tp_ring_bytes(SLOTS, sizeof(struct tp_cmd));

	r->memory = aligned_alloc(64, bytes);
	assert_non_null(r->memory);
	memset(r->memory, 0, bytes);
	assert_int_equal(
		tp_ring_producer_init(&r->ours, r->memory, bytes, SLOTS, sizeof(struct tp_cmd), -1),
		0);
	assert_int_equal(tp_ring_consumer_init(
				 &r->theirs, r->memory, bytes, SLOTS, sizeof(struct tp_cmd), -1),
		0);
}

static struct tp_ack ack_of(uint64_t sequence)
{
	return (struct tp_ack){.sequence = sequence};
}

static void no_room_while_detached(void **state)
{
	struct ctl_command_queue q = {0};
	struct ctl_commands sink = ctl_command_queue_sink(&q);

	assert_int_equal(sink.room(sink.context), 0);
	ctl_command_queue_flush(&q);
}

static void sequences_count_up_from_one(void **state)
{
	struct tp_cmd cmd = {.type = TP_CMD_ALLOC_SET, .sequence = 99};
	struct ctl_command_queue q = {0};
	struct rings r;

	rings_init(&r);
	ctl_command_queue_attach(&q, &r.ours, 64);
	struct ctl_commands sink = ctl_command_queue_sink(&q);
	for (uint64_t i = 1; i <= SLOTS; i++)
		assert_int_equal(sink.send(sink.context, &cmd), i);
	assert_int_equal(sink.room(sink.context), 0);
	assert_null(tp_ring_front(&r.theirs)); // not before the flush
	ctl_command_queue_flush(&q);
	for (uint64_t i = 1; i <= SLOTS; i++) {
		const struct tp_cmd *got = tp_ring_front(&r.theirs);
		assert_non_null(got);
		assert_int_equal(got->sequence, i);
		assert_int_equal(got->type, TP_CMD_ALLOC_SET);
		tp_ring_pop(&r.theirs);
	}
	free(r.memory);
}

static void room_leaves_place_for_acknowledgements(void **state)
{
	struct tp_cmd cmd = {.type = TP_CMD_COUNTERS};
	struct ctl_command_queue q = {0};
	struct rings r;

	rings_init(&r);
	ctl_command_queue_attach(&q, &r.ours, 3);
	struct ctl_commands sink = ctl_command_queue_sink(&q);
	assert_int_equal(sink.room(sink.context), 3);
	for (int i = 0; i < 3; i++)
		sink.send(sink.context, &cmd);
	assert_int_equal(sink.room(sink.context), 0);
	struct tp_ack ack = ack_of(1);
	assert_true(ctl_command_queue_ack(&q, &ack));
	assert_int_equal(sink.room(sink.context), 1);
	free(r.memory);
}

static void acknowledgements_out_of_order_are_seen(void **state)
{
	struct tp_cmd cmd = {.type = TP_CMD_COUNTERS};
	struct ctl_command_queue q = {0};
	struct tp_ack ack = ack_of(1);
	struct rings r;

	rings_init(&r);
	ctl_command_queue_attach(&q, &r.ours, 64);
	assert_false(ctl_command_queue_ack(&q, &ack)); // nothing was sent
	struct ctl_commands sink = ctl_command_queue_sink(&q);
	for (int i = 0; i < 3; i++)
		sink.send(sink.context, &cmd);
	ack = ack_of(2);
	assert_false(ctl_command_queue_ack(&q, &ack));
	ack = ack_of(1);
	assert_true(ctl_command_queue_ack(&q, &ack));
	assert_false(ctl_command_queue_ack(&q, &ack)); // twice
	free(r.memory);
}

static void sequences_go_on_over_an_attach(void **state)
{
	struct tp_cmd cmd = {.type = TP_CMD_COUNTERS};
	struct ctl_command_queue q = {0};
	struct rings first, second;
	struct tp_ack ack = ack_of(2);

	rings_init(&first);
	rings_init(&second);
	ctl_command_queue_attach(&q, &first.ours, 64);
	struct ctl_commands sink = ctl_command_queue_sink(&q);
	sink.send(sink.context, &cmd);
	ctl_command_queue_detach(&q);
	assert_int_equal(sink.room(sink.context), 0);
	ctl_command_queue_attach(&q, &second.ours, 64);
	assert_int_equal(sink.send(sink.context, &cmd), 2);
	assert_true(ctl_command_queue_ack(&q, &ack)); // the first one's never comes
	free(first.memory);
	free(second.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_room_while_detached),
		cmocka_unit_test(sequences_count_up_from_one),
		cmocka_unit_test(room_leaves_place_for_acknowledgements),
		cmocka_unit_test(acknowledgements_out_of_order_are_seen),
		cmocka_unit_test(sequences_go_on_over_an_attach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
