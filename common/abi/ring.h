// SPDX-License-Identifier: BSD-3-Clause
// Our single-producer single-consumer ring over shared memory. Two processes that do not trust each
// other's liveness or sanity share it: geometry (size, slot bytes) is private to each side, only
// head and tail are shared, and what is read from them is clamped, so a hostile or dying peer can
// at worst make the ring look empty, full or carry garbage, which the consumer copies out before it
// checks.
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tp_ring_shared {
	alignas(64) _Atomic uint32_t head;     // w: producer, release; r: consumer, acquire
	alignas(64) _Atomic uint32_t tail;     // w: consumer, release; r: producer, acquire
	alignas(64) _Atomic uint32_t sleeping; // w: consumer (1 about to block); r: producer
	alignas(64) uint8_t slots[];
};
static_assert(sizeof(struct tp_ring_shared) == 192);

// One side's view. Producer and consumer each have their own, in private memory.
struct tp_ring {
	struct tp_ring_shared *shared;
	uint32_t size; // slots, a power of two
	uint32_t slot_bytes;
	uint32_t
		own; // our index (head of a producer, tail of a consumer), published by _flush/_pop
	uint32_t other;     // last value seen of the other side's
	uint32_t published; // producer: head as the consumer may see it
	int event_fd;       // wakes the consumer; -1 none
	uint64_t corrupt;   // times the other side's index made no sense
};

// Bytes of shared memory for a ring; 0 when slots is no power of two, slot_bytes no multiple of 64,
// or the product exceeds 1 GiB.
size_t tp_ring_bytes(uint32_t slots, uint32_t slot_bytes);

// Attaches to memory of at least tp_ring_bytes(), 64-byte aligned. The memory of a fresh ring is
// zero; indices start from what is shared. 0 or -EINVAL. Takes no ownership.
int tp_ring_producer_init(struct tp_ring *r, void *memory, size_t memory_bytes, uint32_t slots,
	uint32_t slot_bytes, int event_fd);
int tp_ring_consumer_init(struct tp_ring *r, void *memory, size_t memory_bytes, uint32_t slots,
	uint32_t slot_bytes, int event_fd);

// Producer: the next free slot to fill, or NULL when full. Valid until _commit.
void *tp_ring_reserve(struct tp_ring *r);
// Producer: counts the reserved slot as filled; the consumer sees it after _flush.
void tp_ring_commit(struct tp_ring *r);
// Producer: publishes all commits and wakes a sleeping consumer: at most one write() a call.
void tp_ring_flush(struct tp_ring *r);
// Free slots as far as known, at least.
uint32_t tp_ring_free_slots(struct tp_ring *r);

// Consumer: the oldest slot, or NULL when empty. The producer may still scribble on it: copy out,
// then check. Valid until _pop.
const void *tp_ring_front(struct tp_ring *r);
void tp_ring_pop(struct tp_ring *r);
// Filled slots, at most `size` whatever the producer wrote.
uint32_t tp_ring_filled(struct tp_ring *r);

// Consumer: announces that it is about to block; false when something came in meanwhile (the
// announcement is then withdrawn). After true: poll() the event_fd, then _wake.
bool tp_ring_sleep(struct tp_ring *r);
// Consumer: withdraws the announcement and drains the eventfd.
void tp_ring_wake(struct tp_ring *r);
