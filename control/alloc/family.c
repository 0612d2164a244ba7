// SPDX-License-Identifier: BSD-3-Clause
// The two relayed addresses of a dual allocation: each has a deadline of its own, and may end while
// the other goes on (RFC 8656 sections 7.2 and 8.2). The record's deadline is that of the family
// that lasts longest; the place in the expiry that of the one that ends first.
#include <errno.h>

#include "common/base/clock.h"
#include "control/alloc/family.h"

static int side_of(uint8_t family)
{
	return family == TP_FAMILY_IPV6;
}

static bool open_at(const struct tp_alloc_record *r, int which)
{
	uint8_t family = r->relay[which].ip.family;
	return family != TP_FAMILY_NONE && !(r->closed_families & ctl_family_bit(family));
}

uint8_t ctl_allocation_families(const struct tp_alloc_record *r, struct ctl_time now)
{
	uint8_t families = 0;
	for (int i = 0; i < 2; i++)
		if (open_at(r, i) &&
			r->family_deadline_ns[side_of(r->relay[i].ip.family)] > now.now_ns)
			families |= ctl_family_bit(r->relay[i].ip.family);
	return families;
}

bool ctl_has_relay(const struct tp_alloc_record *r, uint8_t family)
{
	for (int i = 0; i < 2; i++)
		if (r->relay[i].ip.family == family)
			return family != TP_FAMILY_NONE && open_at(r, i);
	return false;
}

uint64_t ctl_family_first_deadline(const struct tp_alloc_record *r)
{
	uint64_t first = r->deadline_ns;
	for (int i = 0; i < 2; i++)
		if (open_at(r, i) && r->family_deadline_ns[side_of(r->relay[i].ip.family)] < first)
			first = r->family_deadline_ns[side_of(r->relay[i].ip.family)];
	return first;
}

void ctl_family_settle(struct tp_alloc_record *r)
{
	uint64_t last = 0;
	for (int i = 0; i < 2; i++) {
		uint64_t *deadline = &r->family_deadline_ns[i];
		if (!ctl_has_relay(r, i ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4))
			*deadline = 0;
		else if (*deadline == 0)
			*deadline = r->deadline_ns;
		if (*deadline > last)
			last = *deadline;
	}
	r->deadline_ns = last;
}

void ctl_family_set_deadlines(struct tp_alloc_record *r, struct ctl_time now, uint32_t lifetime_s)
{
	uint8_t have = ctl_allocation_families(r, now);
	for (int i = 0; i < 2; i++)
		if (have & 1 << i)
			r->family_deadline_ns[i] = now.now_ns + lifetime_s * TP_NS_PER_S;
	ctl_family_settle(r);
}

int ctl_allocation_refresh(struct ctl_store *s, struct tp_alloc_ref ref, uint8_t family,
	uint32_t lifetime_s, struct ctl_time now, struct ctl_change *change)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return -ENOENT;
	uint8_t have = ctl_allocation_families(r, now);
	uint8_t wanted = family == TP_FAMILY_NONE ? have : have & ctl_family_bit(family);
	if (!wanted)
		return -EAFNOSUPPORT;
	if (ctl_room(s) < 1)
		return -ENOBUFS;
	change->alloc = ref;
	change->refreshed_allocation = true;
	memcpy(change->old_deadline_ns, r->family_deadline_ns, sizeof(change->old_deadline_ns));
	change->old_lifetime_s = r->granted_lifetime_s;
	ctl_record_begin(s, r);
	for (int i = 0; i < 2; i++)
		if (wanted & 1 << i)
			r->family_deadline_ns[i] = now.now_ns + lifetime_s * TP_NS_PER_S;
	ctl_family_settle(r);
	r->granted_lifetime_s = lifetime_s;
	ctl_record_end(s, r);
	ctl_heap_set(&s->expiry, ref.index, ctl_family_first_deadline(r));
	ctl_send_alloc_set(s, r, change);
	return 0;
}

void ctl_family_undo_refresh(
	struct ctl_store *s, struct tp_alloc_record *r, const uint64_t old_deadline_ns[2])
{
	ctl_record_begin(s, r);
	for (int i = 0; i < 2; i++)
		if (r->family_deadline_ns[i] != 0)
			r->family_deadline_ns[i] = old_deadline_ns[i];
	ctl_family_settle(r);
	ctl_record_end(s, r);
	ctl_heap_set(&s->expiry, r->self.index, ctl_family_first_deadline(r));
}

// The port of a family that ended rests as that of an allocation does, in a free record of its own;
// when there is none it is free at once: resting is a courtesy.
static void rest_port(struct ctl_store *s, struct ctl_relay_port port, struct ctl_time now)
{
	if (s->policy.port_rest_s == 0) {
		ctl_relays_release(&s->relays, port);
		return;
	}
	if (s->free_allocs.count == 0)
		ctl_rest_yield(s);
	uint32_t index = ctl_free_list_take(&s->free_allocs);
	if (index == TP_INDEX_NONE) {
		ctl_relays_release(&s->relays, port);
		return;
	}
	struct tp_alloc_record *r = &s->allocs[index];
	uint64_t until_ns = now.now_ns + s->policy.port_rest_s * TP_NS_PER_S;
	ctl_record_begin(s, r);
	uint32_t generation = r->self.generation ? r->self.generation : 1;
	memset((uint8_t *)r + sizeof(r->sequence), 0, sizeof(*r) - sizeof(r->sequence));
	r->layout = TP_ALLOC_LAYOUT;
	r->state = TP_RECORD_RESTING;
	r->end_reason = TP_END_EXPIRED;
	r->self = (struct tp_alloc_ref){.index = index, .generation = generation};
	r->deadline_ns = until_ns;
	r->relay[0] = ctl_relays_address(&s->relays, port);
	r->first_peer = TP_INDEX_NONE;
	r->user_more = TP_INDEX_NONE;
	ctl_record_end(s, r);
	s->slots[index].relay[0] = port;
	s->slots[index].relay[1] = CTL_RELAY_NONE;
	s->slots[index].user = NULL;
	ctl_rest_add(s, index, until_ns);
}

int ctl_allocation_close_family(struct ctl_store *s, struct tp_alloc_ref ref, uint8_t family,
	struct ctl_time now, struct ctl_change *change)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return -ENOENT;
	if (!ctl_has_relay(r, family))
		return -EAFNOSUPPORT;
	int which = r->relay[1].ip.family == family;
	if (!open_at(r, !which))
		return -EBUSY;
	if (ctl_room(s) < 1)
		return -ENOBUFS;
	if (ctl_over_tcp(r) && s->ended)
		s->ended(s->ended_context, r, family);
	for (uint32_t i = r->first_peer, next; i != TP_INDEX_NONE; i = next) {
		next = s->peers[i].next;
		if (s->peers[i].peer.ip.family == family)
			ctl_peer_remove(s, i);
	}
	struct ctl_slot *slot = &s->slots[ref.index];
	struct ctl_relay_port port = slot->relay[which];
	slot->relay[0] = slot->relay[!which];
	slot->relay[1] = CTL_RELAY_NONE;
	ctl_record_begin(s, r);
	r->closed_families |= ctl_family_bit(family);
	r->relay[0] = r->relay[!which];
	r->relay[1] = (struct tp_addr){0};
	ctl_family_settle(r);
	ctl_record_end(s, r);
	ctl_heap_set(&s->expiry, ref.index, ctl_family_first_deadline(r));
	ctl_send_alloc_set(s, r, change);
	if (change)
		change->alloc = ref;
	rest_port(s, port, now);
	return 0;
}

int ctl_family_expire(struct ctl_store *s, uint32_t index, struct ctl_time now)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	for (int i = 0; i < 2; i++)
		if (r->family_deadline_ns[i] != 0 && r->family_deadline_ns[i] <= now.now_ns)
			return ctl_allocation_close_family(
				s, r->self, i ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4, now, NULL);
	return -ENOENT;
}
