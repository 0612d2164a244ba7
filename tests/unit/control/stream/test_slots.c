// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"
#include "common/wire/stun.h"
#include "control/stream/slots.h"

#define SLOTS 64

struct rig {
	void *memory;
	struct tp_ring in, out; // producer's view, consumer's
	struct stream_slots_message m;
	struct stream_note note;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	size_t bytes = tp_ring_bytes(SLOTS, TP_PACKET_SLOT_BYTES);

	r->memory = aligned_alloc(64, bytes);
	memset(r->memory, 0, bytes);
	assert_int_equal(
		tp_ring_producer_init(&r->in, r->memory, bytes, SLOTS, TP_PACKET_SLOT_BYTES, -1),
		0);
	assert_int_equal(
		tp_ring_consumer_init(&r->out, r->memory, bytes, SLOTS, TP_PACKET_SLOT_BYTES, -1),
		0);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->memory);
	free(r);
	return 0;
}

static void put_slot(struct rig *r, struct tp_stream_slot head, const void *payload, size_t n)
{
	uint8_t *slot = tp_ring_reserve(&r->in);

	memcpy(slot, &head, sizeof(head));
	memcpy(slot + sizeof(head), payload, n);
	tp_ring_commit(&r->in);
	tp_ring_flush(&r->in);
}

static void messages_of_every_length_pass(void **state)
{
	struct rig *r = *state;
	const size_t lengths[] = {4, 5, TP_STREAM_SLOT_PAYLOAD, TP_STREAM_SLOT_PAYLOAD + 1,
		2 * TP_STREAM_SLOT_PAYLOAD, TP_STREAM_MESSAGE_MAX};
	uint8_t bytes[TP_STREAM_MESSAGE_MAX];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		tp_wr16(bytes, 0x4000);
		tp_wr16(bytes + 2, (uint16_t)(lengths[i] - 4));
		assert_true(stream_slots_fit(&r->in, lengths[i]));
		stream_slots_put(&r->in, 77, bytes, lengths[i]);
		tp_ring_flush(&r->in);
		assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_MESSAGE);
		assert_int_equal(r->m.connection, 77);
		assert_int_equal(r->m.length, lengths[i]);
		assert_memory_equal(r->m.bytes, bytes, lengths[i]);
		assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_NOTHING);
		tp_ring_update_tail(&r->in);
	}
}

static struct tp_stream_slot datagram(void)
{
	return (struct tp_stream_slot){.kind = TP_STREAM_DATAGRAM,
		.length = 8,
		.client = {.ip = tp_ip4(0xc6120101), .port = 40000},
		.listener = {.ip = tp_ip4(0xc6120002), .port = 5349},
		.path = {.port = 1, .vlan = 7, .valid = 1}};
}

static void datagrams_pass_both_ways(void **state)
{
	struct rig *r = *state;
	struct tp_stream_slot head = datagram();
	uint8_t bytes[TP_STREAM_SLOT_PAYLOAD];

	memset(bytes, 0x16, sizeof(bytes));
	for (size_t length = 0; length <= sizeof(bytes); length += sizeof(bytes) / 2) {
		assert_true(stream_slots_put_datagram(&r->in, &head, bytes, length));
		tp_ring_flush(&r->in);
		assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_MESSAGE);
		assert_int_equal(r->m.kind, TP_STREAM_DATAGRAM);
		assert_int_equal(r->m.length, length);
		assert_memory_equal(r->m.bytes, bytes, length);
		assert_memory_equal(&r->m.client, &head.client, sizeof(head.client));
		assert_memory_equal(&r->m.listener, &head.listener, sizeof(head.listener));
		assert_memory_equal(&r->m.path, &head.path, sizeof(head.path));
	}
	for (int i = 0; stream_slots_put_datagram(&r->in, &head, bytes, 1); i++)
		assert_true(i < SLOTS);
}

// Nothing is found by an address that no datagram comes from or goes to.
static void datagrams_of_nobody_are_wrong(void **state)
{
	struct rig *r = *state;
	struct tp_stream_slot bad[6];

	for (int i = 0; i < 6; i++)
		bad[i] = datagram();
	bad[0].client.ip.family = TP_FAMILY_STREAM;
	bad[1].client.port = 0;
	bad[2].listener.ip.family = TP_FAMILY_NONE;
	bad[3].listener.port = 0;
	bad[4].client.ip.bytes[9] = 1; // behind an IPv4 address
	bad[5].client.pad = 1;
	for (int i = 0; i < 6; i++) {
		put_slot(r, bad[i], (const uint8_t *)"12345678", 8);
		assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_WRONG);
		assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_NOTHING);
		tp_ring_update_tail(&r->in);
	}
}

static void what_does_not_fit_is_known_before(void **state)
{
	struct rig *r = *state;
	const uint8_t bytes[8] = {0x40, 0, 0, 4};

	for (int i = 0; i < SLOTS - 1; i++)
		stream_slots_put(&r->in, 1, bytes, sizeof(bytes));
	assert_true(stream_slots_fit(&r->in, TP_STREAM_SLOT_PAYLOAD));
	assert_false(stream_slots_fit(&r->in, TP_STREAM_SLOT_PAYLOAD + 1));
	stream_slots_put(&r->in, 1, bytes, sizeof(bytes));
	assert_false(stream_slots_fit(&r->in, 4));
}

// Whatever is wrong is skipped, and what follows is found.
static void wrong_slots_are_skipped(void **state)
{
	struct rig *r = *state;
	const uint8_t good[8] = {0x40, 0, 0, 4}, longer[8] = {0x40, 0, 0, 5}, no[8] = {0x80};
	const struct tp_stream_slot message = {
		.kind = TP_STREAM_MESSAGE, .length = 8, .connection = 5};
	struct tp_stream_slot bad[] = {message, message, message, message, message};

	bad[0].kind = TP_STREAM_REST;
	bad[1].length = TP_STREAM_SLOT_PAYLOAD + 1;
	bad[2].more = 1; // no rest follows
	bad[3].kind = 0;
	bad[4].length = 0;
	for (int i = 0; i < 5; i++) {
		put_slot(r, bad[i], good, 8);
		put_slot(r, message, good, 8);
		assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_WRONG);
		while (stream_slots_take(&r->out, &r->m) == STREAM_TAKEN_WRONG)
			;
		assert_int_equal(r->m.length, 8);
		assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_NOTHING);
		tp_ring_update_tail(&r->in);
	}
	put_slot(r, message, longer, 8);
	assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_WRONG);
	put_slot(r, message, no, 8);
	assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_WRONG);
}

// More slots than any message has do not write behind the place for one.
static void too_many_slots_are_wrong(void **state)
{
	struct rig *r = *state;
	uint8_t bytes[TP_STREAM_SLOT_PAYLOAD] = {0x40, 0, 0xff, 0xff};

	for (int i = 0; i < 60; i++)
		put_slot(r,
			(struct tp_stream_slot){.kind = i ? TP_STREAM_REST : TP_STREAM_MESSAGE,
				.more = i ? 0 : 59,
				.length = TP_STREAM_SLOT_PAYLOAD},
			bytes, sizeof(bytes));
	while (stream_slots_take(&r->out, &r->m) == STREAM_TAKEN_WRONG)
		assert_true(r->m.length <= sizeof(r->m.bytes));
	assert_int_equal(stream_slots_take(&r->out, &r->m), STREAM_TAKEN_NOTHING);
}

static void put_note(struct rig *r, uint16_t kind, uint16_t length, const void *payload)
{
	const struct tp_stream_note head = {.kind = kind, .length = length, .connection = 9};

	assert_true(stream_note_put(&r->in, &head, payload));
	tp_ring_flush(&r->in);
}

static void notes_are_checked(void **state)
{
	struct rig *r = *state;
	uint8_t answer[24] = {0x01, 0x01, 0, 4, 0x21, 0x12, 0xa4, 0x42};

	for (uint16_t kind = 0; kind < 64; kind++) {
		bool known = kind >= TP_STREAM_RESPONSE && kind <= TP_STREAM_RELOAD;
		put_note(r, kind, sizeof(answer), answer);
		assert_int_equal(stream_note_take(&r->out, &r->note),
			known ? STREAM_TAKEN_MESSAGE : STREAM_TAKEN_WRONG);
		tp_ring_update_tail(&r->in);
	}
	put_note(r, TP_STREAM_RESPONSE, 20, answer);
	assert_int_equal(stream_note_take(&r->out, &r->note), STREAM_TAKEN_WRONG);
	put_note(r, TP_STREAM_RESPONSE, 0, answer);
	assert_int_equal(stream_note_take(&r->out, &r->note), STREAM_TAKEN_WRONG);
	answer[0] = 0x40; // no STUN
	answer[2] = 0;
	answer[3] = 20;
	put_note(r, TP_STREAM_RESPONSE, 24, answer);
	assert_int_equal(stream_note_take(&r->out, &r->note), STREAM_TAKEN_WRONG);
	assert_int_equal(stream_note_take(&r->out, &r->note), STREAM_TAKEN_NOTHING);
}

static void a_length_beyond_the_note_is_wrong(void **state)
{
	struct rig *r = *state;
	const struct tp_stream_note head = {
		.kind = TP_STREAM_CLOSE, .length = TP_STREAM_NOTE_PAYLOAD + 1};

	memcpy(tp_ring_reserve(&r->in), &head, sizeof(head));
	tp_ring_commit(&r->in);
	tp_ring_flush(&r->in);
	assert_int_equal(stream_note_take(&r->out, &r->note), STREAM_TAKEN_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_of_every_length_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(datagrams_pass_both_ways, setup, teardown),
		cmocka_unit_test_setup_teardown(datagrams_of_nobody_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_known_before, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_slots_are_skipped, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_slots_are_wrong, setup, teardown),
		cmocka_unit_test_setup_teardown(notes_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(a_length_beyond_the_note_is_wrong, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
