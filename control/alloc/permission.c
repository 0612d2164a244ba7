// SPDX-License-Identifier: BSD-3-Clause
// Permissions, and what they share with channel bindings: the peer records of an allocation.
#include "control/alloc/permission.h"

#include <errno.h>

#include "common/base/clock.h"
#include "control/alloc/peer.h"

// ---- Peer records.

const struct tp_peer_record *ctl_peer_next(const struct ctl_store *s, uint32_t *peer)
{
	if (*peer == TP_INDEX_NONE)
		return NULL;
	const struct tp_peer_record *p = &s->peers[*peer];
	*peer = p->next;
	return p;
}

static void count(struct ctl_store *s, const struct tp_peer_record *p, int by)
{
	if (p->kind == TP_PEER_CHANNEL) {
		s->counts.channels += (uint64_t)by;
		return;
	}
	s->counts.permissions += (uint64_t)by;
	s->slots[p->owner.index].permissions += (uint32_t)by;
}

void ctl_peer_link(struct ctl_store *s, uint32_t peer)
{
	struct tp_peer_record *p = &s->peers[peer];
	struct tp_alloc_record *r = &s->allocs[p->owner.index];
	ctl_peer_begin(s, p);
	p->next = r->first_peer;
	ctl_peer_end(s, p);
	ctl_record_begin(s, r);
	r->first_peer = peer;
	r->peers++;
	ctl_record_end(s, r);
	ctl_heap_set(&s->expiry, ctl_heap_of_peer(s, peer), p->deadline_ns);
	count(s, p, 1);
}

uint32_t ctl_peer_create(struct ctl_store *s, struct tp_alloc_record *r, enum tp_peer_kind kind,
	const struct tp_addr *address, uint16_t channel, uint64_t deadline_ns)
{
	if (r->peers >= CTL_PEERS_PER_ALLOCATION)
		return TP_INDEX_NONE;
	uint32_t peer = ctl_free_list_take(&s->free_peers);
	if (peer == TP_INDEX_NONE)
		return TP_INDEX_NONE;
	struct tp_peer_record *p = &s->peers[peer];
	ctl_write_begin(&p->sequence);
	p->layout = TP_PEER_LAYOUT;
	p->state = TP_RECORD_LIVE;
	p->kind = (uint8_t)kind;
	p->owner = r->self;
	p->channel = channel;
	p->pad = 0;
	p->deadline_ns = deadline_ns;
	p->peer = *address;
	memset(p->reserved, 0, sizeof(p->reserved));
	ctl_write_end(&p->sequence);
	ctl_peer_link(s, peer);
	return peer;
}

void ctl_peer_free(struct ctl_store *s, uint32_t peer)
{
	struct tp_peer_record *p = &s->peers[peer];
	ctl_write_begin(&p->sequence);
	p->state = TP_RECORD_FREE;
	p->next = TP_INDEX_NONE;
	ctl_write_end(&p->sequence);
	ctl_free_list_put(&s->free_peers, peer);
}

void ctl_peer_remove(struct ctl_store *s, uint32_t peer)
{
	struct tp_peer_record *p = &s->peers[peer];
	struct tp_alloc_record *r = &s->allocs[p->owner.index];
	uint32_t before = TP_INDEX_NONE;
	for (uint32_t i = r->first_peer; i != peer; i = s->peers[i].next)
		before = i;
	if (before != TP_INDEX_NONE) {
		ctl_peer_begin(s, &s->peers[before]);
		s->peers[before].next = p->next;
		ctl_peer_end(s, &s->peers[before]);
	}
	ctl_record_begin(s, r);
	if (before == TP_INDEX_NONE)
		r->first_peer = p->next;
	r->peers--;
	ctl_record_end(s, r);
	ctl_heap_remove(&s->expiry, ctl_heap_of_peer(s, peer));
	count(s, p, -1);
	ctl_peer_free(s, peer);
}

void ctl_peer_set_deadline(struct ctl_store *s, uint32_t peer, uint64_t deadline_ns)
{
	struct tp_peer_record *p = &s->peers[peer];
	ctl_peer_begin(s, p);
	p->deadline_ns = deadline_ns;
	ctl_peer_end(s, p);
	ctl_heap_set(&s->expiry, ctl_heap_of_peer(s, peer), deadline_ns);
}

void ctl_send_peer(struct ctl_store *s, uint32_t peer, bool set, struct ctl_change *change)
{
	const struct tp_peer_record *p = &s->peers[peer];
	struct tp_cmd cmd = {.layout = 1, .alloc = p->owner, .deadline_ns = p->deadline_ns};
	if (p->kind == TP_PEER_PERMISSION) {
		cmd.type = set ? TP_CMD_PERMISSION_SET : TP_CMD_PERMISSION_DELETE;
		cmd.permission = p->peer.ip;
	} else {
		cmd.type = set ? TP_CMD_CHANNEL_SET : TP_CMD_CHANNEL_DELETE;
		cmd.channel.peer = p->peer;
		cmd.channel.channel = p->channel;
	}
	ctl_send(s, &cmd, change);
}

int ctl_peer_apply(struct ctl_store *s, struct tp_alloc_record *r, uint32_t found,
	enum tp_peer_kind kind, const struct tp_addr *address, uint16_t channel,
	uint64_t deadline_ns, struct ctl_change *change)
{
	if (change->steps == CTL_CHANGE_STEPS)
		return -ENOSPC;
	if (ctl_room(s) < 1)
		return -ENOBUFS;
	struct ctl_change_step step = {.peer = found};
	if (found == TP_INDEX_NONE) {
		step.created = 1;
		step.peer = ctl_peer_create(s, r, kind, address, channel, deadline_ns);
		if (step.peer == TP_INDEX_NONE)
			return -ENOSPC;
	} else {
		step.old_deadline_ns = s->peers[found].deadline_ns;
		ctl_peer_set_deadline(s, found, deadline_ns);
	}
	change->alloc = r->self;
	change->step[change->steps++] = step;
	ctl_send_peer(s, step.peer, true, change);
	return 0;
}

// ---- Permissions.

static uint32_t find_permission(
	const struct ctl_store *s, const struct tp_alloc_record *r, const struct tp_ip *peer)
{
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = s->peers[i].next)
		if (s->peers[i].kind == TP_PEER_PERMISSION &&
			tp_ip_equal(&s->peers[i].peer.ip, peer))
			return i;
	return TP_INDEX_NONE;
}

bool ctl_permission_allows(const struct ctl_store *s, struct tp_alloc_ref ref,
	const struct tp_ip *peer, struct ctl_time now)
{
	const struct tp_alloc_record *r = ctl_allocation_get(s, ref);
	uint32_t found = r ? find_permission(s, r, peer) : TP_INDEX_NONE;
	return found != TP_INDEX_NONE && s->peers[found].deadline_ns > now.now_ns;
}

// A bucket of one second's worth in one word, the time at which it is full: a new peer costs its
// share of a second. What is taken for a request that fails is not given back, or asking for too
// much would be free.
static bool may_add(struct ctl_store *s, const struct tp_alloc_record *r, struct ctl_time now)
{
	struct ctl_slot *slot = &s->slots[r->self.index];
	uint32_t rate = s->policy.new_peers_per_s;
	if (s->policy.permissions && slot->permissions >= s->policy.permissions)
		return false;
	if (rate == 0)
		return true;
	uint64_t full_ns = slot->peers_full_ns > now.now_ns ? slot->peers_full_ns : now.now_ns;
	full_ns += TP_NS_PER_S / rate;
	if (full_ns > now.now_ns + TP_NS_PER_S)
		return false;
	slot->peers_full_ns = full_ns;
	return true;
}

int ctl_permission_set(struct ctl_store *s, struct tp_alloc_ref ref, const struct tp_ip *peer,
	struct ctl_time now, struct ctl_change *change)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return -ENOENT;
	if (!(ctl_allocation_families(r, now) & ctl_family_bit(peer->family)))
		return -EAFNOSUPPORT;
	struct tp_addr address = {.ip = *peer};
	uint32_t found = find_permission(s, r, peer);
	if (found == TP_INDEX_NONE && !may_add(s, r, now))
		return -ENOSPC;
	return ctl_peer_apply(s, r, found, TP_PEER_PERMISSION, &address, 0,
		now.now_ns + s->policy.permission_s * TP_NS_PER_S, change);
}
