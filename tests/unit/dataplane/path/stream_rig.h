// SPDX-License-Identifier: BSD-3-Clause
// A stream process at the other end of a worker's rings, and an allocation of one of its clients.
#pragma once

#include "common/abi/stream.h"
#include "tests/unit/dataplane/path/rig.h"

#define STREAM_NUMBER     0x1007u
#define STREAM_CONNECTION 9u
#define STREAM_UP         128
#define STREAM_DOWN       64

struct stream_rig {
	struct dp_stream_link link;
	void *up_memory, *down_memory;
	struct tp_ring up, down; // the stream's side
	// The last message that came down.
	uint8_t message[TP_STREAM_MESSAGE_MAX];
	size_t length;
	uint32_t connection;
};

static inline struct tp_addr stream_client(uint32_t stream, uint32_t connection)
{
	return tp_stream_address(
		(struct tp_stream_client){.stream = stream, .connection = connection});
}

static inline struct tp_addr stream_listener(void)
{
	return (struct tp_addr){.ip.family = TP_FAMILY_STREAM};
}

static inline void *stream_memory(uint32_t slots)
{
	size_t bytes = tp_ring_bytes(slots, TP_PACKET_SLOT_BYTES);
	void *memory = aligned_alloc(64, bytes);

	memset(memory, 0, bytes);
	return memory;
}

static inline struct stream_rig *stream_open(struct rig *rig, uint32_t stream, int event_fd)
{
	struct stream_rig *s = calloc(1, sizeof(*s));
	size_t up = tp_ring_bytes(STREAM_UP, TP_PACKET_SLOT_BYTES);
	size_t down = tp_ring_bytes(STREAM_DOWN, TP_PACKET_SLOT_BYTES);

	s->link.stream = stream;
	s->up_memory = stream_memory(STREAM_UP);
	s->down_memory = stream_memory(STREAM_DOWN);
	tp_ring_consumer_init(
		&s->link.up, s->up_memory, up, STREAM_UP, TP_PACKET_SLOT_BYTES, event_fd);
	tp_ring_producer_init(&s->up, s->up_memory, up, STREAM_UP, TP_PACKET_SLOT_BYTES, event_fd);
	tp_ring_producer_init(
		&s->link.down, s->down_memory, down, STREAM_DOWN, TP_PACKET_SLOT_BYTES, -1);
	tp_ring_consumer_init(
		&s->down, s->down_memory, down, STREAM_DOWN, TP_PACKET_SLOT_BYTES, -1);
	dp_worker_set_stream(rig->w, TP_STREAM_PLACE(stream), &s->link);
	return s;
}

static inline void stream_leave(struct rig *rig, struct stream_rig *s)
{
	dp_worker_set_stream(rig->w, TP_STREAM_PLACE(s->link.stream), NULL);
}

static inline void stream_close(struct stream_rig *s)
{
	free(s->up_memory);
	free(s->down_memory);
	free(s);
}

// One slot as it may be.
static inline void stream_put(
	struct stream_rig *s, struct tp_stream_slot head, const void *payload, size_t length)
{
	struct tp_stream_slot *slot = tp_ring_reserve(&s->up);

	assert_non_null(slot);
	*slot = head;
	if (length != 0)
		memcpy(slot->payload, payload, length);
	tp_ring_commit(&s->up);
}

// A message as a sane stream sends it, not yet run.
static inline void stream_message(
	struct stream_rig *s, uint32_t connection, const uint8_t *bytes, size_t length)
{
	size_t slots =
		length == 0 ? 1 : (length + TP_STREAM_SLOT_PAYLOAD - 1) / TP_STREAM_SLOT_PAYLOAD;

	for (size_t i = 0; i < slots; i++) {
		size_t part = RTE_MIN(length, TP_STREAM_SLOT_PAYLOAD);
		stream_put(s,
			(struct tp_stream_slot){.kind = i == 0 ? TP_STREAM_MESSAGE : TP_STREAM_REST,
				.more = i == 0 ? (uint16_t)(slots - 1) : 0,
				.length = (uint16_t)part,
				.connection = i == 0 ? connection : 0,
				.dscp_ecn = 0xb9},
			bytes, part);
		bytes += part;
		length -= part;
	}
	tp_ring_flush(&s->up);
}

static inline void stream_run(struct rig *rig)
{
	while (dp_pipeline_streams(rig->w, rig->now_ns) != 0)
		continue;
	rig_collect(rig);
}

static inline void stream_channel(
	struct rig *rig, struct stream_rig *s, const uint8_t *data, size_t length)
{
	static uint8_t message[TP_STREAM_MESSAGE_MAX];

	stream_message(s, STREAM_CONNECTION, message,
		rig_channel_data(message, RIG_CHANNEL, data, length, 0));
	stream_run(rig);
}

static inline void stream_send(struct rig *rig, struct stream_rig *s, const struct tp_addr *peer,
	const void *data, size_t length, bool dont_fragment)
{
	static uint8_t message[65536];
	struct stun_writer w;

	stun_write_begin(&w, message, sizeof(message), STUN_INDICATION, STUN_SEND,
		(const uint8_t *)"abcdefghijkl");
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, peer);
	if (dont_fragment)
		stun_write_attr(&w, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
	stun_write_attr(&w, STUN_ATTR_DATA, data, length);
	stream_message(s, STREAM_CONNECTION, message, (size_t)stun_write_finish(&w));
	stream_run(rig);
}

// Takes the next message that came down; false when there is none.
static inline bool stream_take(struct stream_rig *s)
{
	const struct tp_stream_slot *slot = tp_ring_front(&s->down);
	uint16_t more = 0, slots = 0;

	if (slot == NULL)
		return false;
	assert_int_equal(slot->kind, TP_STREAM_MESSAGE);
	assert_int_equal(slot->dscp_ecn, 0);
	more = slot->more;
	s->connection = slot->connection;
	s->length = 0;
	for (; slots <= more; slots++) {
		slot = tp_ring_front(&s->down);
		assert_non_null(slot);
		assert_int_equal(slot->kind, slots == 0 ? TP_STREAM_MESSAGE : TP_STREAM_REST);
		assert_true(slot->length == TP_STREAM_SLOT_PAYLOAD || slots == more);
		memcpy(s->message + s->length, slot->payload, slot->length);
		s->length += slot->length;
		tp_ring_pop(&s->down);
	}
	return true;
}

static inline void stream_expect_channel(
	struct stream_rig *s, uint16_t channel, const void *data, size_t length)
{
	assert_true(stream_take(s));
	assert_int_equal(s->connection, STREAM_CONNECTION);
	assert_int_equal(s->length, 4 + length);
	assert_int_equal(oracle_get16(s->message), channel);
	assert_int_equal(oracle_get16(s->message + 2), length);
	assert_memory_equal(s->message + 4, data, length);
}

static inline void stream_expect_data(
	struct stream_rig *s, const struct tp_addr *peer, const void *data, size_t length)
{
	struct stun_message m;
	struct stun_attr attr;
	struct tp_addr shown;

	assert_true(stream_take(s));
	assert_int_equal(s->connection, STREAM_CONNECTION);
	assert_int_equal(stun_read(s->message, s->length, &m), STUN_READ_OK);
	assert_int_equal(m.method, STUN_DATA);
	assert_int_equal(m.class, STUN_INDICATION);
	assert_true(stun_find(&m, STUN_ATTR_XOR_PEER_ADDRESS, &attr));
	assert_true(stun_read_xor_address(&attr, m.transaction_id, &shown));
	assert_memory_equal(&shown, peer, sizeof(shown));
	assert_true(stun_find(&m, STUN_ATTR_DATA, &attr));
	assert_int_equal(attr.length, length);
	assert_memory_equal(attr.value, data, length);
}
