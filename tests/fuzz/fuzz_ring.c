// SPDX-License-Identifier: BSD-3-Clause
// A ring whose other side writes what it likes into the shared indices and slots: nothing outside
// of the memory is touched, no more than the ring holds is taken out, and our own side goes on.
#include <stdlib.h>

#include <sys/eventfd.h>

#include "common/abi/ring.h"
#include "tests/fuzz/script.h"

#define SLOTS      8
#define SLOT_BYTES 64

enum { OP_HEAD, OP_TAIL, OP_SLEEPING, OP_PRODUCE, OP_FLUSH, OP_CONSUME, OP_FILL, OP_BLOCK, OPS };

struct sides {
	struct tp_ring producer, consumer;
};

static void produce(struct tp_ring *r)
{
	uint8_t *slot = tp_ring_reserve(r);

	FUZZ_CHECK(tp_ring_free_slots(r) <= SLOTS);
	if (!slot)
		return;
	memset(slot, 0xee, SLOT_BYTES);
	tp_ring_commit(r);
}

// Never more than a full ring, whatever the head says.
static void consume(struct tp_ring *r, uint32_t most)
{
	const uint8_t *slot;
	uint8_t copy[SLOT_BYTES];

	FUZZ_CHECK(tp_ring_filled(r) <= SLOTS);
	for (uint32_t n = 0; n < most && (slot = tp_ring_front(r)); n++) {
		memcpy(copy, slot, sizeof(copy));
		tp_ring_pop(r);
	}
}

static void step(struct sides *sides, struct fuzz_script *s)
{
	struct tp_ring_shared *shared = sides->producer.shared;
	uint8_t op = fuzz_u8(s), value[4];

	switch (op % OPS) {
	case OP_HEAD:
	case OP_TAIL: {
		uint32_t index;
		fuzz_take(s, value, sizeof(value));
		memcpy(&index, value, sizeof(index));
		atomic_store(op % OPS == OP_HEAD ? &shared->head : &shared->tail, index);
		break;
	}
	case OP_SLEEPING:
		atomic_store(&shared->sleeping, fuzz_u8(s));
		break;
	case OP_PRODUCE:
		produce(&sides->producer);
		break;
	case OP_FLUSH:
		tp_ring_flush(&sides->producer);
		break;
	case OP_CONSUME:
		consume(&sides->consumer, op);
		break;
	case OP_FILL:
		memset(shared->slots, op, SLOTS * SLOT_BYTES);
		break;
	case OP_BLOCK:
		if (tp_ring_sleep(&sides->consumer))
			tp_ring_wake(&sides->consumer);
		break;
	}
}

// Geometry that a peer announces.
static void check_geometry(struct fuzz_script *s, void *memory, size_t bytes)
{
	struct tp_ring r;
	uint32_t slots = fuzz_u16(s), slot_bytes = fuzz_u16(s);
	size_t off = fuzz_u8(s) & 64 ? 8 : 0;
	size_t wanted = tp_ring_bytes(slots << (slots & 15), slot_bytes);

	FUZZ_CHECK(wanted == 0 || wanted > sizeof(struct tp_ring_shared));
	int rc = tp_ring_consumer_init(
		&r, (uint8_t *)memory + off, bytes - off, slots, slot_bytes, -1);
	if (rc == 0) {
		FUZZ_CHECK(tp_ring_bytes(slots, slot_bytes) <= bytes - off && off == 0);
		consume(&r, 2 * slots);
	}
	rc = tp_ring_producer_init(&r, (uint8_t *)memory + off, bytes - off, slots, slot_bytes, -1);
	FUZZ_CHECK(rc < 0 || off == 0);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static int event_fd = -1;
	struct fuzz_script s = fuzz_script(data, size);
	size_t bytes = tp_ring_bytes(SLOTS, SLOT_BYTES);
	void *memory = aligned_alloc(64, bytes);
	struct sides sides;

	FUZZ_CHECK(memory);
	if (event_fd < 0)
		event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	memset(memory, 0, bytes);
	// Either side may come to a ring that is not fresh.
	fuzz_take(&s, memory, 4);
	fuzz_take(&s, (uint8_t *)memory + 64, 4);
	check_geometry(&s, memory, bytes);
	FUZZ_CHECK(tp_ring_producer_init(
			   &sides.producer, memory, bytes, SLOTS, SLOT_BYTES, event_fd) == 0);
	FUZZ_CHECK(tp_ring_consumer_init(
			   &sides.consumer, memory, bytes, SLOTS, SLOT_BYTES, event_fd) == 0);
	for (int i = 0; i < 1000 && fuzz_left(&s) > 0; i++)
		step(&sides, &s);
	if (sides.consumer.corrupt > 1 && sides.producer.corrupt > 1)
		fuzz_canary(data + size);
	consume(&sides.consumer, UINT32_MAX);
	free(memory);
}
