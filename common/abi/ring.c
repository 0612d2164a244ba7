// SPDX-License-Identifier: BSD-3-Clause
#include "common/abi/ring.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#define RING_MAX_BYTES (UINT64_C(1) << 30)

size_t tp_ring_bytes(uint32_t slots, uint32_t slot_bytes)
{
	uint64_t bytes = (uint64_t)slots * slot_bytes;

	if (slots == 0 || (slots & (slots - 1)) != 0 || slot_bytes == 0 || slot_bytes % 64 != 0)
		return 0;
	if (bytes > RING_MAX_BYTES)
		return 0;
	return sizeof(struct tp_ring_shared) + (size_t)bytes;
}

static int ring_attach(struct tp_ring *r, void *memory, size_t memory_bytes, uint32_t slots,
	uint32_t slot_bytes, int event_fd)
{
	size_t bytes = tp_ring_bytes(slots, slot_bytes);

	if (bytes == 0 || !memory || memory_bytes < bytes)
		return -EINVAL;
	if ((uintptr_t)memory % alignof(struct tp_ring_shared) != 0)
		return -EINVAL;
	*r = (struct tp_ring){
		.shared = memory, .size = slots, .slot_bytes = slot_bytes, .event_fd = event_fd};
	return 0;
}

int tp_ring_producer_init(struct tp_ring *r, void *memory, size_t memory_bytes, uint32_t slots,
	uint32_t slot_bytes, int event_fd)
{
	int rc = ring_attach(r, memory, memory_bytes, slots, slot_bytes, event_fd);

	if (rc)
		return rc;
	r->own = atomic_load_explicit(&r->shared->head, memory_order_relaxed);
	r->published = r->own;
	// Full until the consumer's tail says otherwise.
	r->other = r->own - r->size;
	tp_ring_update_tail(r);
	return 0;
}

int tp_ring_consumer_init(struct tp_ring *r, void *memory, size_t memory_bytes, uint32_t slots,
	uint32_t slot_bytes, int event_fd)
{
	int rc = ring_attach(r, memory, memory_bytes, slots, slot_bytes, event_fd);

	if (rc)
		return rc;
	r->own = atomic_load_explicit(&r->shared->tail, memory_order_relaxed);
	// Empty until the producer's head says otherwise.
	r->other = r->own;
	tp_ring_update_head(r, memory_order_acquire);
	return 0;
}

void tp_event_signal(int event_fd)
{
	struct pollfd p = {.fd = event_fd, .events = POLLOUT};
	const uint64_t one = 1;
	ssize_t n;

	// Not writable is a counter at its end: readable all the same.
	if (event_fd < 0 || poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0)
		return;
	do {
		n = write(event_fd, &one, sizeof(one));
	} while (n < 0 && errno == EINTR);
}

void tp_event_drain(int event_fd)
{
	uint64_t count;
	struct iovec iov = {.iov_base = &count, .iov_len = sizeof(count)};
	ssize_t n;

	if (event_fd < 0)
		return;
	do {
		n = preadv2(event_fd, &iov, 1, -1, RWF_NOWAIT);
	} while (n < 0 && errno == EINTR);
}

void tp_ring_notify(struct tp_ring *r)
{
	tp_event_signal(r->event_fd);
}

bool tp_ring_sleep(struct tp_ring *r)
{
	atomic_store_explicit(&r->shared->sleeping, 1, memory_order_seq_cst);
	tp_ring_update_head(r, memory_order_seq_cst);
	if (r->other == r->own)
		return true;
	atomic_store_explicit(&r->shared->sleeping, 0, memory_order_relaxed);
	return false;
}

void tp_ring_wake(struct tp_ring *r)
{
	atomic_store_explicit(&r->shared->sleeping, 0, memory_order_relaxed);
	tp_event_drain(r->event_fd);
}
