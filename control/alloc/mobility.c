// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/mobility.h"

#include <errno.h>

#include "common/base/clock.h"
#include "control/alloc/family.h"
#include "control/alloc/store_private.h"

bool ctl_allocation_mobile(const struct tp_alloc_record *r)
{
	return r->ticket != 0;
}

uint32_t ctl_allocation_moves(const struct tp_alloc_record *r)
{
	return r->ticket == 0 ? 0 : r->ticket - 1;
}

bool ctl_allocation_moving(const struct ctl_store *s, const struct tp_alloc_record *r,
	struct tp_addr *client, struct tp_addr *listener)
{
	if (!ctl_moving(r))
		return false;
	*client = ctl_move_client(r);
	*listener = *ctl_move_listener(s, r);
	return true;
}

bool ctl_allocation_at(const struct ctl_store *s, const struct tp_alloc_record *r,
	uint8_t transport, const struct tp_addr *client, const struct tp_addr *listener)
{
	struct tp_addr here = ctl_key_of(r), there = ctl_key_of_move(r);
	bool any = client->ip.family == TP_FAMILY_STREAM;
	return (tp_addr_equal(&here, client) &&
		       (any || (r->transport == transport &&
				       tp_addr_equal(&r->listener, listener)))) ||
	       (ctl_moving(r) && tp_addr_equal(&there, client) &&
		       (any || (r->move_transport == transport &&
				       tp_addr_equal(ctl_move_listener(s, r), listener))));
}

// ---- In the record.

uint32_t ctl_listener_tag(const struct ctl_store *s, const struct tp_addr *listener)
{
	struct tp_siphash_key key;
	memcpy(key.bytes, s->header->uid_prefix, 8);
	memcpy(key.bytes + 8, s->header->uid_prefix, 8);
	return (uint32_t)tp_siphash(&key, listener, sizeof(*listener)) | 1;
}

static bool serves(const struct ctl_store *s, uint32_t listener, uint8_t transport)
{
	return (s->policy.listener_transports[listener] & 1u << transport) != 0;
}

uint32_t ctl_listener_find(
	const struct ctl_store *s, const struct tp_addr *listener, uint8_t transport)
{
	for (uint32_t i = 0; i < s->policy.n_listeners; i++)
		if (serves(s, i, transport) && tp_addr_equal(&s->policy.listeners[i], listener))
			return i;
	return TP_INDEX_NONE;
}

uint32_t ctl_listener_find_tag(const struct ctl_store *s, uint32_t tag, uint8_t transport)
{
	for (uint32_t i = 0; i < s->policy.n_listeners; i++)
		if (serves(s, i, transport) && ctl_listener_tag(s, &s->policy.listeners[i]) == tag)
			return i;
	return TP_INDEX_NONE;
}

void ctl_move_write(struct ctl_store *s, struct tp_alloc_record *r, const struct ctl_move_place *to)
{
	memset(r->move_ip, 0, sizeof(r->move_ip));
	r->move_port = 0;
	r->move_family = TP_FAMILY_NONE;
	r->move_transport = 0;
	r->move_listener = 0;
	r->move_stream = (struct tp_stream_client){0};
	if (!to) {
		memset(&r->before, 0, sizeof(r->before));
		r->before_stream = (struct tp_stream_client){0};
		return;
	}
	memcpy(r->move_ip, to->client.ip.bytes, sizeof(r->move_ip));
	r->move_port = to->client.port;
	r->move_family = to->client.ip.family;
	r->move_transport = to->transport;
	r->move_listener = ctl_listener_tag(s, &s->policy.listeners[to->listener]);
	r->move_stream = to->stream;
	s->slots[r->self.index].move_listener = (uint16_t)to->listener;
}

static void forget_before(struct ctl_store *s, struct tp_alloc_record *r)
{
	if (r->before.family == TP_FAMILY_NONE)
		return;
	ctl_index_remove(s, ctl_place_of_before(s, r->self.index));
	memset(&r->before, 0, sizeof(r->before));
	r->before_stream = (struct tp_stream_client){0};
}

void ctl_move_clear(struct ctl_store *s, struct tp_alloc_record *r)
{
	if (!ctl_moving(r))
		return;
	forget_before(s, r);
	ctl_index_remove(s, ctl_place_of_move(s, r->self.index));
	ctl_move_write(s, r, NULL);
}

// The move under way becomes the one before.
static void keep_before(struct ctl_store *s, struct tp_alloc_record *r)
{
	struct ctl_slot *slot = &s->slots[r->self.index];
	forget_before(s, r);
	if (!ctl_moving(r))
		return;
	ctl_index_remove(s, ctl_place_of_move(s, r->self.index));
	memcpy(r->before.ip, r->move_ip, sizeof(r->before.ip));
	r->before.port = r->move_port;
	r->before.family = r->move_family;
	r->before.transport = r->move_transport;
	r->before.listener = r->move_listener;
	r->before_stream = r->move_stream;
	slot->before_listener = slot->move_listener;
	ctl_index_insert(s, ctl_place_of_before(s, r->self.index));
}

void ctl_move_begun(struct ctl_store *s, struct tp_alloc_ref ref, uint64_t sequence)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r || r->before.family == TP_FAMILY_NONE ||
		sequence < s->slots[ref.index].move_sequence)
		return;
	ctl_record_begin(s, r);
	forget_before(s, r);
	ctl_record_end(s, r);
}

// ---- Moving.

static void note_old(
	const struct ctl_store *s, const struct tp_alloc_record *r, struct ctl_change *change)
{
	change->alloc = r->self;
	change->moved_allocation = true;
	memcpy(change->old_deadline_ns, r->family_deadline_ns, sizeof(change->old_deadline_ns));
	change->old_lifetime_s = r->granted_lifetime_s;
	change->old_move = (struct ctl_change_move){.client = ctl_move_client(r),
		.listener = s->slots[r->self.index].move_listener,
		.transport = r->move_transport,
		.stream = r->move_stream,
		.ticket = r->ticket,
		.wall_s = r->moved_wall_s};
	memcpy(change->old_move.transaction_id, r->transaction_id, sizeof(r->transaction_id));
}

int ctl_allocation_move(struct ctl_store *s, struct tp_alloc_ref ref,
	const struct ctl_move_request *q, struct ctl_time now, struct ctl_change *change)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return -ENOENT;
	if (!ctl_allocation_mobile(r))
		return -EPERM;
	uint32_t listener = ctl_listener_find(s, &q->listener, q->transport);
	struct tp_addr client = ctl_client_key(q->transport, &q->client, q->stream);
	if (listener == TP_INDEX_NONE)
		return -EINVAL;
	if (ctl_room(s) < 2) // one may go for an expired allocation of the five-tuple
		return -ENOBUFS;
	uint32_t other = ctl_index_find(s, q->transport, &client, &q->listener);
	if (other != TP_INDEX_NONE) {
		if (other == ref.index || s->allocs[other].deadline_ns > now.now_ns)
			return -EEXIST;
		ctl_allocation_delete(s, s->allocs[other].self, TP_END_EXPIRED, now, NULL);
	}
	note_old(s, r, change);
	ctl_record_begin(s, r);
	keep_before(s, r);
	ctl_move_write(
		s, r, &(struct ctl_move_place){q->client, listener, q->transport, q->stream});
	r->ticket++;
	r->moved_wall_s = (uint32_t)(now.wall_ns / TP_NS_PER_S);
	memcpy(r->transaction_id, q->transaction_id, sizeof(r->transaction_id));
	ctl_family_set_deadlines(r, now, q->lifetime_s);
	r->granted_lifetime_s = q->lifetime_s;
	ctl_record_end(s, r);
	ctl_index_insert(s, ctl_place_of_move(s, ref.index));
	ctl_heap_set(&s->expiry, ref.index, ctl_family_first_deadline(r));
	ctl_send_alloc_set(s, r, change);
	s->slots[ref.index].move_sequence = change->last_sequence;
	return 0;
}

void ctl_move_undo(struct ctl_store *s, struct tp_alloc_record *r, const struct ctl_change *change)
{
	const struct ctl_change_move *old = &change->old_move;
	bool moving = old->client.ip.family != TP_FAMILY_NONE;
	struct tp_addr client = ctl_client_key(old->transport, &old->client, old->stream);

	ctl_record_begin(s, r);
	ctl_move_clear(s, r);
	// Meanwhile somebody else may have begun to use the five-tuple: that move is over.
	if (moving && ctl_index_find(s, old->transport, &client,
			      &s->policy.listeners[old->listener]) == TP_INDEX_NONE)
		ctl_move_write(s, r,
			&(struct ctl_move_place){
				old->client, old->listener, old->transport, old->stream});
	r->ticket = old->ticket; // its successor was never given out
	r->moved_wall_s = old->wall_s;
	memcpy(r->transaction_id, old->transaction_id, sizeof(r->transaction_id));
	r->granted_lifetime_s = change->old_lifetime_s;
	ctl_record_end(s, r);
	if (ctl_moving(r))
		ctl_index_insert(s, ctl_place_of_move(s, r->self.index));
	ctl_family_undo_refresh(s, r, change->old_deadline_ns);
}

void ctl_allocation_moved(struct ctl_store *s, struct tp_alloc_ref ref, uint32_t move)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r || !ctl_moving(r))
		return;
	uint32_t last = ctl_allocation_moves(r);
	bool before = last - 1 == move && r->before.family != TP_FAMILY_NONE;
	if (last != move && !before)
		return;
	struct tp_addr client = before ? ctl_before_client(r) : ctl_move_client(r);
	struct tp_addr listener = before ? *ctl_before_listener(s, r) : *ctl_move_listener(s, r);
	uint8_t transport = before ? r->before.transport : r->move_transport;
	struct tp_stream_client stream = before ? r->before_stream : r->move_stream;
	ctl_index_remove(s, ref.index);
	ctl_record_begin(s, r);
	if (before)
		forget_before(s, r); // the last one goes on
	else
		ctl_move_clear(s, r);
	r->client = client;
	r->listener = listener;
	r->transport = transport;
	r->stream = stream;
	ctl_record_end(s, r);
	ctl_index_insert(s, ref.index);
}

bool ctl_move_give_up(struct ctl_store *s, struct tp_alloc_ref ref)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r || !ctl_moving(r) || ctl_room(s) == 0)
		return false;
	ctl_record_begin(s, r);
	ctl_move_clear(s, r);
	ctl_record_end(s, r);
	ctl_send_alloc_set(s, r, NULL);
	return true;
}

bool ctl_allocation_move_repeated(const struct ctl_store *s, const struct tp_alloc_record *r,
	uint32_t ticket, const struct ctl_move_request *q, struct ctl_time now)
{
	struct tp_addr client = ctl_client_key(q->transport, &q->client, q->stream);
	// 32 bits of seconds, in which both are near each other.
	int32_t since_s = (int32_t)((uint32_t)(now.wall_ns / TP_NS_PER_S) - r->moved_wall_s);
	return ticket != 0 && ticket + 1 == r->ticket && since_s < CTL_TICKET_KEPT_S &&
	       memcmp(r->transaction_id, q->transaction_id, sizeof(r->transaction_id)) == 0 &&
	       ctl_allocation_at(s, r, q->transport, &client, &q->listener);
}

void ctl_allocation_hold(struct ctl_store *s, struct tp_alloc_ref ref)
{
	if (ctl_live(s, ref))
		s->slots[ref.index].changes++;
}

void ctl_allocation_release(struct ctl_store *s, struct tp_alloc_ref ref)
{
	if (ctl_live(s, ref) && s->slots[ref.index].changes > 0)
		s->slots[ref.index].changes--;
}

bool ctl_allocation_held(const struct ctl_store *s, struct tp_alloc_ref ref)
{
	return ctl_live(s, ref) && s->slots[ref.index].changes > 0;
}

const uint8_t *ctl_store_ticket_key(const struct ctl_store *s)
{
	return s->keys->ticket_key;
}
