// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/expiry.h"

#include "control/alloc/family.h"

static bool expire_alloc(struct ctl_store *s, uint32_t index, struct ctl_time now)
{
	if (s->allocs[index].state == TP_RECORD_RESTING) {
		ctl_alloc_free(s, index);
		return true;
	}
	if (s->allocs[index].deadline_ns > now.now_ns) // one family is over, the other not
		return ctl_family_expire(s, index, now) == 0;
	return ctl_allocation_delete(s, s->allocs[index].self, TP_END_EXPIRED, now, NULL) == 0;
}

static bool expire_peer(struct ctl_store *s, uint32_t peer)
{
	if (ctl_room(s) < 1)
		return false;
	ctl_send_peer(s, peer, false, NULL);
	ctl_peer_remove(s, peer);
	return true;
}

// False when there is no room for its command.
static bool expire_object(struct ctl_store *s, uint32_t object, struct ctl_time now)
{
	if (object < s->alloc_capacity)
		return expire_alloc(s, object, now);
	object -= s->alloc_capacity;
	if (object < s->peer_capacity)
		return expire_peer(s, object);
	ctl_reservation_drop(s, object - s->peer_capacity);
	return true;
}

uint32_t ctl_store_expire(struct ctl_store *s, struct ctl_time now, uint32_t max)
{
	uint32_t ended = 0;
	while (ended < max && ctl_store_next_deadline(s) <= now.now_ns) {
		if (!expire_object(s, ctl_heap_first(&s->expiry), now))
			break;
		ended++;
	}
	return ended;
}

uint64_t ctl_store_next_deadline(const struct ctl_store *s)
{
	uint32_t first = ctl_heap_first(&s->expiry);
	return first == UINT32_MAX ? UINT64_MAX : s->expiry.deadline[first];
}
