// SPDX-License-Identifier: BSD-3-Clause
// Live allocations first (each must stand by itself), then the damaged and resting ones, then the
// rest of their names, then permissions and channels, linked anew; reserved ports after all ports
// of allocations. A record that does not pass is cleared; if its relayed address was ours and free,
// the ports rest, since peers may still send to them.
#include "control/alloc/adopt.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "control/alloc/adopt_check.h"
#include "control/alloc/peer.h"

// Records of which a few milliseconds' worth are scanned: whoever watches this process hears that often
// that it works, for the loop does not turn before the scan ends.
#define SAY_EVERY 16384

static bool each(const struct ctl_store *s, uint32_t i, uint32_t count)
{
	if (s->working && i % SAY_EVERY == 0)
		s->working();
	return i < count;
}

const char *ctl_adopt_reason_text(enum ctl_adopt_reason reason)
{
	static const char *const text[] = {
#define X(name, text) [CTL_ADOPT_##name] = text,
		CTL_ADOPT_REASONS(X)
#undef X
	};
	return reason < CTL_ADOPT_REASON_COUNT ? text[reason] : NULL;
}

// ---- Allocations.

// Takes the record's relay ports; what was free and ours is taken even when the answer is no.
static enum ctl_adopt_reason take_relays(struct ctl_store *s, uint32_t index)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	struct ctl_slot *slot = &s->slots[index];
	enum ctl_adopt_reason result = CTL_ADOPT_ACCEPTED;
	for (int i = 0; i < 2; i++) {
		slot->relay[i] = CTL_RELAY_NONE;
		if (!ctl_adopt_addr_sane(&r->relay[i]))
			continue;
		bool taken;
		slot->relay[i] = ctl_relays_mark(&s->relays, &r->relay[i], &taken);
		if (taken)
			result = CTL_ADOPT_DUPLICATE_RELAY;
		else if (slot->relay[i].address == TP_INDEX_NONE)
			result = CTL_ADOPT_RELAY;
	}
	return result;
}

// From now on the record is only a place whose relay ports (if any) rest.
static void rest_record(struct ctl_store *s, uint32_t index, uint8_t reason, uint64_t deadline_ns)
{
	struct tp_alloc_record *r = &s->allocs[index];
	const struct ctl_slot *slot = &s->slots[index];
	ctl_record_begin(s, r);
	r->layout = TP_ALLOC_LAYOUT;
	r->state = TP_RECORD_RESTING;
	r->end_reason = reason;
	r->self.index = index;
	if (r->self.generation == 0)
		r->self.generation = 1;
	r->deadline_ns = deadline_ns;
	r->relay[0] = ctl_relays_address(&s->relays, slot->relay[0]);
	r->relay[1] = ctl_relays_address(&s->relays, slot->relay[1]);
	ctl_move_write(s, r, NULL);
	r->first_peer = TP_INDEX_NONE;
	r->peers = 0;
	r->user_more = TP_INDEX_NONE;
	if (reason == TP_END_INCONSISTENT)
		r->reservation_deadline_ns = 0;
	if (r->user_length > TP_RECORD_NAME_INLINE)
		r->user_length = 0;
	ctl_write_mac_key(r, NULL, 0);
	ctl_record_end(s, r);
	ctl_rest_add(s, index, deadline_ns);
}

static uint64_t rest_until(const struct ctl_store *s, struct ctl_time now)
{
	return now.now_ns + s->policy.port_rest_s * TP_NS_PER_S;
}

static void drop_alloc(struct ctl_store *s, uint32_t index, enum ctl_adopt_reason reason,
	struct ctl_time now, struct ctl_adoption *report)
{
	report->dropped_allocations[reason]++;
	uint8_t end = reason == CTL_ADOPT_EXPIRED ? TP_END_EXPIRED : TP_END_INCONSISTENT;
	if (!ctl_synthetic(&s->allocs[index]))
		s->counts.ended[end]++;
	rest_record(s, index, end, rest_until(s, now));
}

static void keep_resting(
	struct ctl_store *s, uint32_t index, struct ctl_time now, struct ctl_adoption *report)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	uint64_t latest = rest_until(s, now);
	take_relays(s, index);
	rest_record(s, index, r->end_reason, r->deadline_ns < latest ? r->deadline_ns : latest);
	report->resting++;
}

// Sorted unique ids, to find the same one twice.
struct uid_list {
	struct uid_entry {
		uint8_t uid[16];
		uint32_t index;
	} * entry;
	uint32_t count;
};

static int by_uid(const void *a, const void *b)
{
	const struct uid_entry *x = a, *y = b;
	int order = memcmp(x->uid, y->uid, sizeof(x->uid));
	return order ? order : (x->index > y->index) - (x->index < y->index);
}

// Gives a live record the index that its realm has now; one of a control that knew a single realm
// becomes the default realm's. Returns its tag.
static uint64_t settle_realm(struct ctl_store *s, uint32_t index)
{
	struct tp_alloc_record *r = &s->allocs[index];
	ctl_record_begin(s, r);
	if (r->realm_tag == 0)
		r->realm_tag = ctl_tag_of(s, 0);
	r->realm = ctl_allocation_realm(s, r);
	ctl_record_end(s, r);
	return r->realm_tag;
}

static void keep_live(struct ctl_store *s, uint32_t index, struct ctl_adoption *report)
{
	struct tp_alloc_record *r = &s->allocs[index];
	ctl_record_begin(s, r);
	r->layout = TP_ALLOC_LAYOUT;
	r->first_peer = TP_INDEX_NONE;
	r->peers = 0;
	ctl_family_settle(r);
	ctl_record_end(s, r);
	ctl_index_insert(s, index);
	ctl_heap_set(&s->expiry, index, ctl_family_first_deadline(r));
	s->counts.allocations++;
	s->counts.synthetic += ctl_synthetic(r);
	report->allocations++;
}

// First pass: records that stand by themselves take their ports, before any damaged one can.
// -ENOMEM: nobody's fault, and no reason to drop a call.
static int scan_live(struct ctl_store *s, uint32_t index, struct ctl_time now,
	struct uid_list *uids, struct ctl_adoption *report)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	struct tp_addr client = ctl_key_of(r);
	if (ctl_adopt_check_alloc(s, index, now) != CTL_ADOPT_ACCEPTED ||
		r->state != TP_RECORD_LIVE)
		return 0;
	enum ctl_adopt_reason reason = take_relays(s, index);
	if (reason == CTL_ADOPT_ACCEPTED &&
		ctl_index_find(s, r->transport, &client, &r->listener) != TP_INDEX_NONE)
		reason = CTL_ADOPT_DUPLICATE_FIVE_TUPLE;
	uint8_t user[CTL_USER_MAX_BYTES];
	if (reason == CTL_ADOPT_ACCEPTED) {
		s->slots[index].user = ctl_quota_take(
			&s->quota, settle_realm(s, index), user, ctl_allocation_user(s, r, user));
		if (!s->slots[index].user)
			return -ENOMEM;
	}
	if (reason != CTL_ADOPT_ACCEPTED) {
		drop_alloc(s, index, reason, now, report);
		return 0;
	}
	keep_live(s, index, report);
	struct uid_entry *e = &uids->entry[uids->count++];
	memcpy(e->uid, r->uid, sizeof(e->uid));
	e->index = index;
	return 0;
}

// Second pass: the rest. What the first one placed, live or resting, has a deadline by now.
static void scan_rest(
	struct ctl_store *s, uint32_t index, struct ctl_time now, struct ctl_adoption *report)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	if (s->expiry.place[index] != UINT32_MAX)
		return;
	if (!ctl_record_torn(&r->sequence) && r->state == TP_RECORD_FREE) {
		s->slots[index].relay[0] = s->slots[index].relay[1] = CTL_RELAY_NONE;
		ctl_free_list_put(&s->free_allocs, index);
		return;
	}
	enum ctl_adopt_reason reason = ctl_adopt_check_alloc(s, index, now);
	if (reason == CTL_ADOPT_ACCEPTED) {
		keep_resting(s, index, now, report);
		return;
	}
	take_relays(s, index);
	drop_alloc(s, index, reason, now, report);
}

// Of records with the same id the one with the lower index stays. The next id is above all of ours.
static void settle_uids(struct ctl_store *s, struct uid_list *uids, struct ctl_time now,
	struct ctl_adoption *report)
{
	qsort(uids->entry, uids->count, sizeof(*uids->entry), by_uid);
	for (uint32_t i = 0; each(s, i, uids->count); i++) {
		const struct uid_entry *e = &uids->entry[i];
		uint64_t low = tp_rd64(e->uid + 8);
		if (memcmp(e->uid, s->header->uid_prefix, 8) == 0 && low >= s->header->next_uid &&
			low < UINT64_MAX)
			s->header->next_uid = low + 1;
		if (i == 0 || memcmp(e->uid, e[-1].uid, sizeof(e->uid)) != 0)
			continue;
		report->allocations--;
		report->dropped_allocations[CTL_ADOPT_DUPLICATE_UID]++;
		// The scan of names finds its name record without an owner.
		s->allocs[e->index].user_more = TP_INDEX_NONE;
		s->allocs[e->index].reservation_deadline_ns = 0;
		ctl_alloc_end(s, e->index, TP_END_INCONSISTENT, now, rest_until(s, now));
	}
}

// Of the move before, the dataplane will say whether it was completed.
static void settle_before(struct ctl_store *s, struct tp_alloc_record *r)
{
	struct tp_addr client = ctl_before_client(r), key = ctl_key_of_before(r);
	if (r->before.family == TP_FAMILY_NONE)
		return;
	uint32_t listener = ctl_listener_find_tag(s, r->before.listener, r->before.transport);
	if (listener != TP_INDEX_NONE) {
		const struct tp_addr *at = &s->policy.listeners[listener];
		s->slots[r->self.index].before_listener = (uint16_t)listener;
		if (at->ip.family == client.ip.family &&
			ctl_index_find(s, r->before.transport, &key, at) == TP_INDEX_NONE) {
			ctl_index_insert(s, ctl_place_of_before(s, r->self.index));
			return;
		}
	}
	ctl_record_begin(s, r);
	memset(&r->before, 0, sizeof(r->before));
	r->before_stream = (struct tp_stream_client){0};
	ctl_record_end(s, r);
}

// Moves under way go on, unless the new five-tuple cannot be used any more: then the client stays
// where it was.
static void settle_move(struct ctl_store *s, uint32_t index)
{
	struct tp_alloc_record *r = &s->allocs[index];
	if (r->state != TP_RECORD_LIVE || !ctl_moving(r))
		return;
	struct tp_addr client = ctl_move_client(r), key = ctl_key_of_move(r);
	uint32_t listener = ctl_listener_find_tag(s, r->move_listener, r->move_transport);
	if (listener != TP_INDEX_NONE) {
		const struct tp_addr *at = &s->policy.listeners[listener];
		s->slots[index].move_listener = (uint16_t)listener;
		if (at->ip.family == client.ip.family &&
			ctl_index_find(s, r->move_transport, &key, at) == TP_INDEX_NONE) {
			ctl_index_insert(s, ctl_place_of_move(s, index));
			settle_before(s, r);
			return;
		}
	}
	ctl_record_begin(s, r);
	ctl_move_write(s, r, NULL);
	ctl_record_end(s, r);
}

// ---- Names, peers.

// A record of which nothing was ever written is a free one, and stays without a page.
static bool untouched(struct ctl_store *s, const void *record, size_t bytes)
{
	uint64_t offset = (uint64_t)((const uint8_t *)record - (const uint8_t *)s->header);

	return !ctl_written(&s->written, offset, bytes);
}

static void scan_name(struct ctl_store *s, uint32_t index, struct ctl_adoption *report)
{
	struct tp_name_record *n = &s->names[index];
	if (untouched(s, n, sizeof(*n))) {
		ctl_free_list_put(&s->free_names, index);
		return;
	}
	if (!ctl_record_torn(&n->sequence) && n->state == TP_RECORD_LIVE) {
		const struct tp_alloc_record *r = ctl_live(s, n->owner);
		if (r && r->user_more == index)
			return;
	}
	if (n->state != TP_RECORD_FREE || ctl_record_torn(&n->sequence)) {
		report->dropped_names++;
		ctl_write_begin(&n->sequence);
		n->state = TP_RECORD_FREE;
		ctl_write_end(&n->sequence);
	}
	ctl_free_list_put(&s->free_names, index);
}

static void scan_peer(
	struct ctl_store *s, uint32_t index, struct ctl_time now, struct ctl_adoption *report)
{
	struct tp_peer_record *p = &s->peers[index];
	if (untouched(s, p, sizeof(*p)) ||
		(!ctl_record_torn(&p->sequence) && p->state == TP_RECORD_FREE)) {
		ctl_free_list_put(&s->free_peers, index);
		return;
	}
	enum ctl_adopt_reason reason = ctl_adopt_check_peer(s, p, now);
	if (reason != CTL_ADOPT_ACCEPTED) {
		report->dropped_peers[reason]++;
		ctl_peer_free(s, index);
		return;
	}
	ctl_peer_link(s, index);
	if (p->kind == TP_PEER_CHANNEL)
		report->channels++;
	else
		report->permissions++;
}

// ---- All of it.

static int prepare_header(struct ctl_store *s, struct ctl_time now)
{
	struct tp_region_header *h = s->header;
	static const uint8_t none[sizeof(h->uid_prefix)];
	if (memcmp(h->uid_prefix, none, sizeof(none)) == 0) {
		uint8_t prefix[sizeof(h->uid_prefix)];
		int rc = ctl_draw_bytes(&s->draw, prefix, sizeof(prefix));
		if (rc)
			return rc;
		memcpy(h->uid_prefix, prefix, sizeof(prefix));
	}
	if (h->nonce_key[0].created_wall_ns == 0) {
		struct tp_nonce_key key = {.created_wall_ns = now.wall_ns};
		int rc = ctl_draw_bytes(&s->draw, key.key, sizeof(key.key));
		if (rc)
			return rc;
		h->nonce_key[0] = key;
	}
	if (s->keys->ticket_key_wall_ns == 0) {
		int rc = ctl_draw_bytes(&s->draw, s->keys->ticket_key, sizeof(s->keys->ticket_key));
		if (rc)
			return rc;
		s->keys->ticket_key_wall_ns = now.wall_ns;
	}
	if (h->next_uid == 0)
		h->next_uid = 1;
	h->control_generation++;
	return 0;
}

int ctl_store_adopt(struct ctl_store *s, struct ctl_time now, struct ctl_adoption *report)
{
	struct ctl_adoption local;
	if (!report)
		report = &local;
	*report = (struct ctl_adoption){};
	struct uid_list uids = {};
	uids.entry = malloc(s->alloc_capacity * sizeof(*uids.entry));
	if (!uids.entry)
		return -ENOMEM;
	int rc = prepare_header(s, now);
	if (rc)
		goto out;
	ctl_journal_undo(s);
	ctl_written_anew(&s->written);
	for (uint32_t i = 0; !rc && each(s, i, s->alloc_capacity); i++)
		rc = scan_live(s, i, now, &uids, report);
	if (rc)
		goto out;
	for (uint32_t i = 0; each(s, i, s->alloc_capacity); i++)
		scan_rest(s, i, now, report);
	ctl_relay_use_adopt(s);
	for (uint32_t i = 0; each(s, i, s->alloc_capacity); i++)
		settle_move(s, i);
	settle_uids(s, &uids, now, report);
	for (uint32_t i = 0; each(s, i, s->alloc_capacity); i++)
		if (s->allocs[i].state != TP_RECORD_FREE)
			ctl_reservation_adopt(s, i, now);
	for (uint32_t i = 0; each(s, i, s->name_capacity); i++)
		scan_name(s, i, report);
	for (uint32_t i = 0; each(s, i, s->peer_capacity); i++)
		scan_peer(s, i, now, report);
	ctl_store_count_anew(s);
out:
	free(uids.entry);
	return rc;
}
