// SPDX-License-Identifier: BSD-3-Clause
// A binary heap of deadlines with a place for every object, so that one can be moved or removed in
// O(log n). Objects are small integers that the owner assigns.
#pragma once

#include <stdint.h>

struct ctl_heap {
	uint64_t *deadline; // by object
	uint32_t *place;    // by object: index into heap, or UINT32_MAX
	uint32_t *heap;     // objects
	uint32_t count;
	uint32_t capacity;
};

int ctl_heap_init(struct ctl_heap *h, uint32_t capacity); // 0, -ENOMEM
void ctl_heap_fini(struct ctl_heap *h);

// Inserts an object or moves it to another deadline.
void ctl_heap_set(struct ctl_heap *h, uint32_t object, uint64_t deadline);
// Removes it; nothing when it is not there.
void ctl_heap_remove(struct ctl_heap *h, uint32_t object);

// The object with the earliest deadline; UINT32_MAX when empty.
static inline uint32_t ctl_heap_first(const struct ctl_heap *h)
{
	return h->count ? h->heap[0] : UINT32_MAX;
}
