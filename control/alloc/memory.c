// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/store_private.h"

static void add(struct tp_memory *out, const void *block, size_t count, size_t each)
{
	tp_memory_block(out, TP_MEMORY_store, TP_MEMORY_heap, block, count * each);
}

void ctl_store_memory(const struct ctl_store *s, struct tp_memory *out)
{
	const struct ctl_relays *r = &s->relays;
	const struct ctl_heap *h = &s->expiry;

	add(out, s, 1, sizeof(*s));
	add(out, s->buckets, (size_t)s->bucket_mask + 1, sizeof(*s->buckets));
	add(out, s->slots, s->alloc_capacity, sizeof(*s->slots));
	add(out, s->free_allocs.next, s->alloc_capacity, sizeof(*s->free_allocs.next));
	add(out, s->free_peers.next, s->peer_capacity, sizeof(*s->free_peers.next));
	add(out, s->free_names.next, s->name_capacity, sizeof(*s->free_names.next));
	add(out, h->deadline, h->capacity, sizeof(*h->deadline));
	add(out, h->place, h->capacity, sizeof(*h->place));
	add(out, h->heap, h->capacity, sizeof(*h->heap));
	add(out, r->address, r->count, sizeof(*r->address));
	add(out, r->usable, r->count, sizeof(*r->usable));
	add(out, r->bits, (size_t)r->count * r->words, sizeof(*r->bits));
	add(out, s->quota.buckets, (size_t)s->quota.mask + 1, sizeof(*s->quota.buckets));
}
