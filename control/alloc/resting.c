// SPDX-License-Identifier: BSD-3-Clause
// Ended allocations whose relay ports rest, oldest first. Resting is a courtesy: when records or
// ports run out, the oldest gives way, so that nobody fills the store by coming and going.
#include "control/alloc/store_private.h"

void ctl_rest_add(struct ctl_store *s, uint32_t index, uint64_t until_ns)
{
	struct ctl_slot *slot = &s->slots[index];

	slot->rest_previous = s->rest_last;
	slot->rest_next = TP_INDEX_NONE;
	if (s->rest_last != TP_INDEX_NONE)
		s->slots[s->rest_last].rest_next = index;
	else
		s->rest_first = index;
	s->rest_last = index;
	s->counts.resting++;
	for (int i = 0; i < 2; i++)
		ctl_relays_rest(&s->relays, slot->relay[i], 1);
	ctl_heap_set(&s->expiry, index, until_ns);
}

void ctl_rest_remove(struct ctl_store *s, uint32_t index)
{
	const struct ctl_slot *slot = &s->slots[index];

	if (slot->rest_previous != TP_INDEX_NONE)
		s->slots[slot->rest_previous].rest_next = slot->rest_next;
	else
		s->rest_first = slot->rest_next;
	if (slot->rest_next != TP_INDEX_NONE)
		s->slots[slot->rest_next].rest_previous = slot->rest_previous;
	else
		s->rest_last = slot->rest_previous;
	s->counts.resting--;
	for (int i = 0; i < 2; i++)
		ctl_relays_rest(&s->relays, slot->relay[i], -1);
	ctl_heap_remove(&s->expiry, index);
}

bool ctl_rest_yield(struct ctl_store *s)
{
	if (s->rest_first == TP_INDEX_NONE)
		return false;
	ctl_alloc_free(s, s->rest_first);
	return true;
}
