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

// Who sleeps and who wakes: the consumer stores `sleeping` and then reads `head` again, the
// producer stores `head` and then reads `sleeping`; the four accesses are sequentially consistent,
// so at least one side sees the other's store and no wake-up is lost.
struct tp_ring_shared {
	alignas(64) _Atomic uint32_t head; // w: producer, seq_cst; r: consumer, acquire
	alignas(64) _Atomic uint32_t tail; // w: consumer, release; r: producer, acquire
	// w: consumer (1 about to block, 0 awake), seq_cst; producer (exchange to 0 when it wakes)
	alignas(64) _Atomic uint32_t sleeping;
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
// zero; indices start from what is shared. `event_fd` is an eventfd with O_NONBLOCK, or -1. 0 or
// -EINVAL. Takes no ownership.
int tp_ring_producer_init(struct tp_ring *r, void *memory, size_t memory_bytes, uint32_t slots,
	uint32_t slot_bytes, int event_fd);
int tp_ring_consumer_init(struct tp_ring *r, void *memory, size_t memory_bytes, uint32_t slots,
	uint32_t slot_bytes, int event_fd);

// Adds one to an eventfd, takes all that is in it. Both sides share its O_NONBLOCK and either may
// clear it: nothing here relies on it. -1 is no eventfd. Any thread.
void tp_event_signal(int event_fd);
void tp_event_drain(int event_fd);

// Writes the eventfd, whatever `sleeping` says. Called by tp_ring_flush.
void tp_ring_notify(struct tp_ring *r);

// Producer: takes over the consumer's tail when it lies where it may, between the last one seen and
// our own head; anything else is counted and ignored.
static inline void tp_ring_update_tail(struct tp_ring *r)
{
	uint32_t tail = atomic_load_explicit(&r->shared->tail, memory_order_acquire);

	if (tail - r->other > r->own - r->other)
		r->corrupt++;
	else
		r->other = tail;
}

// Consumer: takes over the producer's head when it lies between the last one seen and a full ring
// from our tail on; anything else is counted and ignored.
static inline void tp_ring_update_head(struct tp_ring *r, memory_order order)
{
	uint32_t head = atomic_load_explicit(&r->shared->head, order);

	if (head - r->other > r->size - (r->other - r->own))
		r->corrupt++;
	else
		r->other = head;
}

static inline void *tp_ring_slot(const struct tp_ring *r)
{
	return r->shared->slots + (size_t)(r->own & (r->size - 1)) * r->slot_bytes;
}

// Producer: the next free slot to fill, or NULL when full. Valid until _commit.
static inline void *tp_ring_reserve(struct tp_ring *r)
{
	if (r->own - r->other == r->size) {
		tp_ring_update_tail(r);
		if (r->own - r->other == r->size)
			return NULL;
	}
	return tp_ring_slot(r);
}

// Producer: counts the reserved slot as filled; the consumer sees it after _flush.
static inline void tp_ring_commit(struct tp_ring *r)
{
	r->own++;
}

// Producer: publishes all commits and wakes a sleeping consumer: at most one write() a call.
static inline void tp_ring_flush(struct tp_ring *r)
{
	if (r->own == r->published)
		return;
	r->published = r->own;
	atomic_store_explicit(&r->shared->head, r->own, memory_order_seq_cst);
	if (atomic_load_explicit(&r->shared->sleeping, memory_order_seq_cst) != 0 &&
		atomic_exchange_explicit(&r->shared->sleeping, 0, memory_order_seq_cst) != 0)
		tp_ring_notify(r);
}

// Free slots as far as known, at least.
static inline uint32_t tp_ring_free_slots(struct tp_ring *r)
{
	tp_ring_update_tail(r);
	return r->size - (r->own - r->other);
}

// Consumer: the oldest slot, or NULL when empty. The producer may still scribble on it: copy out,
// then check. Valid until _pop.
static inline const void *tp_ring_front(struct tp_ring *r)
{
	if (r->own == r->other) {
		tp_ring_update_head(r, memory_order_acquire);
		if (r->own == r->other)
			return NULL;
	}
	return tp_ring_slot(r);
}

static inline void tp_ring_pop(struct tp_ring *r)
{
	r->own++;
	atomic_store_explicit(&r->shared->tail, r->own, memory_order_release);
}

// Filled slots, at most `size` whatever the producer wrote.
static inline uint32_t tp_ring_filled(struct tp_ring *r)
{
	tp_ring_update_head(r, memory_order_acquire);
	return r->other - r->own;
}

// Consumer: announces that it is about to block; false when something came in meanwhile (the
// announcement is then withdrawn). After true: poll() the event_fd, then _wake.
bool tp_ring_sleep(struct tp_ring *r);
// Consumer: withdraws the announcement and drains the eventfd.
void tp_ring_wake(struct tp_ring *r);
