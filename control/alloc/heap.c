// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ctl_heap_init(struct ctl_heap *h, uint32_t capacity)
{
	*h = (struct ctl_heap){.capacity = capacity};
	h->deadline = calloc(capacity, sizeof(*h->deadline));
	h->place = malloc(capacity * sizeof(*h->place));
	h->heap = calloc(capacity, sizeof(*h->heap));
	if (!h->deadline || !h->place || !h->heap)
		return -ENOMEM;
	memset(h->place, 0xff, capacity * sizeof(*h->place));
	return 0;
}

void ctl_heap_fini(struct ctl_heap *h)
{
	free(h->deadline);
	free(h->place);
	free(h->heap);
}

static void put(struct ctl_heap *h, uint32_t at, uint32_t object)
{
	h->heap[at] = object;
	h->place[object] = at;
}

static void sift_up(struct ctl_heap *h, uint32_t at)
{
	uint32_t object = h->heap[at];
	while (at > 0) {
		uint32_t parent = (at - 1) / 2;
		if (h->deadline[h->heap[parent]] <= h->deadline[object])
			break;
		put(h, at, h->heap[parent]);
		at = parent;
	}
	put(h, at, object);
}

static void sift_down(struct ctl_heap *h, uint32_t at)
{
	uint32_t object = h->heap[at];
	for (;;) {
		uint32_t child = 2 * at + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count &&
			h->deadline[h->heap[child + 1]] < h->deadline[h->heap[child]])
			child++;
		if (h->deadline[object] <= h->deadline[h->heap[child]])
			break;
		put(h, at, h->heap[child]);
		at = child;
	}
	put(h, at, object);
}

void ctl_heap_set(struct ctl_heap *h, uint32_t object, uint64_t deadline)
{
	h->deadline[object] = deadline;
	if (h->place[object] == UINT32_MAX)
		put(h, h->count++, object);
	sift_up(h, h->place[object]);
	sift_down(h, h->place[object]);
}

void ctl_heap_remove(struct ctl_heap *h, uint32_t object)
{
	uint32_t at = h->place[object];
	if (at == UINT32_MAX)
		return;
	h->place[object] = UINT32_MAX;
	uint32_t last = h->heap[--h->count];
	if (last == object)
		return;
	put(h, at, last);
	sift_up(h, at);
	sift_down(h, h->place[last]);
}
