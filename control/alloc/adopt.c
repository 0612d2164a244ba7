// SPDX-License-Identifier: BSD-3-Clause
// Live allocations first (each must stand by itself), then the damaged and resting ones, then the
// rest of their names, then permissions and channels, linked anew. A record that does not pass is
// cleared; if its relayed address was ours and free, the ports rest, since peers may still send to
// them.
#include "control/alloc/adopt.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "control/alloc/peer.h"

#define ACCEPTED CTL_ADOPT_REASON_COUNT

const char *ctl_adopt_reason_text(enum ctl_adopt_reason reason)
{
	static const char *const text[] = {
#define X(name, text) [CTL_ADOPT_##name] = text,
		CTL_ADOPT_REASONS(X)
#undef X
	};
	return reason < CTL_ADOPT_REASON_COUNT ? text[reason] : NULL;
}

// ---- Checks.

static bool ip_sane(const struct tp_ip *ip)
{
	size_t length = tp_ip_length(ip);
	if (length == 0 || ip->pad[0] || ip->pad[1] || ip->pad[2])
		return false;
	for (size_t i = length; i < sizeof(ip->bytes); i++)
		if (ip->bytes[i])
			return false;
	return true;
}

static bool addr_sane(const struct tp_addr *a)
{
	return ip_sane(&a->ip) && a->pad == 0;
}

static bool addr_absent(const struct tp_addr *a)
{
	static const struct tp_addr none;
	return tp_addr_equal(a, &none);
}

static bool listener_known(const struct ctl_store *s, const struct tp_addr *listener)
{
	for (size_t i = 0; i < s->policy.n_listeners; i++)
		if (tp_addr_equal(&s->policy.listeners[i], listener))
			return true;
	return false;
}

static bool user_sane(const struct ctl_store *s, const struct tp_alloc_record *r)
{
	if (r->user_length == 0 || r->user_length > CTL_USER_MAX_BYTES)
		return false;
	if (r->user_length <= TP_RECORD_NAME_INLINE)
		return r->user_more == TP_INDEX_NONE;
	if (r->user_more >= s->name_capacity)
		return false;
	const struct tp_name_record *n = &s->names[r->user_more];
	return !ctl_record_torn(&n->sequence) && n->layout == TP_RECORD_LAYOUT &&
	       n->state == TP_RECORD_LIVE && n->owner.index == r->self.index &&
	       n->owner.generation == r->self.generation;
}

static enum ctl_adopt_reason check_deadline(
	const struct ctl_store *s, uint64_t deadline_ns, uint32_t lifetime_s, struct ctl_time now)
{
	uint64_t limit_s =
		CTL_PLAUSIBLE_LIFETIME > lifetime_s ? CTL_PLAUSIBLE_LIFETIME : lifetime_s;
	if (deadline_ns <= now.now_ns)
		return CTL_ADOPT_EXPIRED;
	return deadline_ns - now.now_ns > limit_s * TP_NS_PER_S ? CTL_ADOPT_DEADLINE : ACCEPTED;
}

// Everything but what needs the other records.
static enum ctl_adopt_reason check_alloc(
	const struct ctl_store *s, uint32_t index, struct ctl_time now)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	if (ctl_record_torn(&r->sequence))
		return CTL_ADOPT_TORN;
	if (r->layout != TP_RECORD_LAYOUT)
		return CTL_ADOPT_LAYOUT;
	if (r->state != TP_RECORD_LIVE && r->state != TP_RECORD_RESTING)
		return CTL_ADOPT_STATE;
	if (r->self.index != index || r->self.generation == 0)
		return CTL_ADOPT_IDENTITY;
	if (r->state == TP_RECORD_RESTING)
		return ACCEPTED;
	if (!addr_sane(&r->client) || !addr_sane(&r->listener) || r->client.port == 0 ||
		r->client.ip.family != r->listener.ip.family || r->transport > CTL_TRANSPORT_DTLS)
		return CTL_ADOPT_CLIENT;
	if (!listener_known(s, &r->listener))
		return CTL_ADOPT_LISTENER;
	if (!addr_sane(&r->relay[0]) ||
		!(addr_absent(&r->relay[1]) ||
			(addr_sane(&r->relay[1]) &&
				r->relay[1].ip.family != r->relay[0].ip.family)))
		return CTL_ADOPT_RELAY;
	if (!user_sane(s, r))
		return CTL_ADOPT_USER;
	return check_deadline(s, r->deadline_ns, s->policy.allocation_max_s, now);
}

static enum ctl_adopt_reason check_peer(
	const struct ctl_store *s, const struct tp_peer_record *p, struct ctl_time now)
{
	if (ctl_record_torn(&p->sequence))
		return CTL_ADOPT_TORN;
	if (p->layout != TP_RECORD_LAYOUT)
		return CTL_ADOPT_LAYOUT;
	if (p->state != TP_RECORD_LIVE ||
		(p->kind != TP_PEER_PERMISSION && p->kind != TP_PEER_CHANNEL))
		return CTL_ADOPT_STATE;
	const struct tp_alloc_record *r = ctl_live(s, p->owner);
	if (!r)
		return CTL_ADOPT_ORPHAN;
	bool channel = p->kind == TP_PEER_CHANNEL;
	if (!addr_sane(&p->peer) || !ctl_has_relay(r, p->peer.ip.family) ||
		(channel ? !chandata_channel_ok(p->channel, CHANDATA_CHANNEL_MAX_RFC5766) || p->peer.port == 0
			 : p->channel != 0 || p->peer.port != 0))
		return CTL_ADOPT_PEER;
	uint32_t lifetime_s = channel ? s->policy.channel_s : s->policy.permission_s;
	enum ctl_adopt_reason deadline = check_deadline(s, p->deadline_ns, lifetime_s, now);
	if (deadline != ACCEPTED)
		return deadline;
	if (r->peers >= CTL_PEERS_PER_ALLOCATION)
		return CTL_ADOPT_TOO_MANY;
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = s->peers[i].next) {
		const struct tp_peer_record *o = &s->peers[i];
		if (o->kind == p->kind && (tp_addr_equal(&o->peer, &p->peer) ||
						  (channel && o->channel == p->channel)))
			return CTL_ADOPT_DUPLICATE_PEER;
	}
	return ACCEPTED;
}

// ---- Allocations.

// Takes the record's relay ports; what was free and ours is taken even when the answer is no.
static enum ctl_adopt_reason take_relays(struct ctl_store *s, uint32_t index)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	struct ctl_slot *slot = &s->slots[index];
	enum ctl_adopt_reason result = ACCEPTED;
	for (int i = 0; i < 2; i++) {
		slot->relay[i] = CTL_RELAY_NONE;
		if (!addr_sane(&r->relay[i]))
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
	ctl_write_begin(&r->sequence);
	r->layout = TP_RECORD_LAYOUT;
	r->state = TP_RECORD_RESTING;
	r->end_reason = reason;
	r->self.index = index;
	if (r->self.generation == 0)
		r->self.generation = 1;
	r->deadline_ns = deadline_ns;
	r->relay[0] = ctl_relays_address(&s->relays, slot->relay[0]);
	r->relay[1] = ctl_relays_address(&s->relays, slot->relay[1]);
	r->first_peer = TP_INDEX_NONE;
	r->peers = 0;
	r->user_more = TP_INDEX_NONE;
	if (r->user_length > TP_RECORD_NAME_INLINE)
		r->user_length = 0;
	ctl_write_end(&r->sequence);
	s->counts.resting++;
	ctl_heap_set(&s->expiry, index, deadline_ns);
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

static void keep_live(struct ctl_store *s, uint32_t index, struct ctl_adoption *report)
{
	struct tp_alloc_record *r = &s->allocs[index];
	ctl_write_begin(&r->sequence);
	r->first_peer = TP_INDEX_NONE;
	r->peers = 0;
	ctl_write_end(&r->sequence);
	ctl_index_insert(s, index);
	ctl_heap_set(&s->expiry, index, r->deadline_ns);
	s->counts.allocations++;
	report->allocations++;
}

// First pass: records that stand by themselves take their ports, before any damaged one can.
static void scan_live(struct ctl_store *s, uint32_t index, struct ctl_time now,
	struct uid_list *uids, struct ctl_adoption *report)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	if (check_alloc(s, index, now) != ACCEPTED || r->state != TP_RECORD_LIVE)
		return;
	enum ctl_adopt_reason reason = take_relays(s, index);
	if (reason == ACCEPTED &&
		ctl_index_find(s, r->transport, &r->client, &r->listener) != TP_INDEX_NONE)
		reason = CTL_ADOPT_DUPLICATE_FIVE_TUPLE;
	uint8_t user[CTL_USER_MAX_BYTES];
	if (reason == ACCEPTED) {
		s->slots[index].user =
			ctl_quota_take(&s->quota, user, ctl_allocation_user(s, r, user));
		if (!s->slots[index].user)
			reason = CTL_ADOPT_NO_PLACE;
	}
	if (reason != ACCEPTED) {
		drop_alloc(s, index, reason, now, report);
		return;
	}
	keep_live(s, index, report);
	struct uid_entry *e = &uids->entry[uids->count++];
	memcpy(e->uid, r->uid, sizeof(e->uid));
	e->index = index;
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
	enum ctl_adopt_reason reason = check_alloc(s, index, now);
	if (reason == ACCEPTED) {
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
	for (uint32_t i = 0; i < uids->count; i++) {
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
		ctl_alloc_end(s, e->index, TP_END_INCONSISTENT, now, rest_until(s, now));
	}
}

// ---- Names, peers.

static void scan_name(struct ctl_store *s, uint32_t index, struct ctl_adoption *report)
{
	struct tp_name_record *n = &s->names[index];
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
	if (!ctl_record_torn(&p->sequence) && p->state == TP_RECORD_FREE) {
		ctl_free_list_put(&s->free_peers, index);
		return;
	}
	enum ctl_adopt_reason reason = check_peer(s, p, now);
	if (reason != ACCEPTED) {
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
	for (uint32_t i = 0; i < s->alloc_capacity; i++)
		scan_live(s, i, now, &uids, report);
	for (uint32_t i = 0; i < s->alloc_capacity; i++)
		scan_rest(s, i, now, report);
	settle_uids(s, &uids, now, report);
	for (uint32_t i = 0; i < s->name_capacity; i++)
		scan_name(s, i, report);
	for (uint32_t i = 0; i < s->peer_capacity; i++)
		scan_peer(s, i, now, report);
out:
	free(uids.entry);
	return rc;
}
