// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/allocation.h"

#include <errno.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "control/alloc/store_private.h"

static_assert(
	sizeof(((struct tp_name_record *)0)->bytes) + TP_RECORD_NAME_INLINE >= CTL_USER_MAX_BYTES);

// ---- The five-tuple index.

static uint32_t bucket_of(const struct ctl_store *s, uint8_t transport,
	const struct tp_addr *client, const struct tp_addr *listener)
{
	uint8_t bytes[2 * sizeof(struct tp_addr) + 1];
	memcpy(bytes, client, sizeof(*client));
	memcpy(bytes + sizeof(*client), listener, sizeof(*listener));
	bytes[2 * sizeof(*client)] = transport;
	return (uint32_t)tp_siphash(&s->key, bytes, sizeof(bytes)) & s->bucket_mask;
}

uint32_t ctl_index_find(const struct ctl_store *s, uint8_t transport, const struct tp_addr *client,
	const struct tp_addr *listener)
{
	uint32_t i = s->buckets[bucket_of(s, transport, client, listener)];
	for (; i != TP_INDEX_NONE; i = s->slots[i].hash_next) {
		const struct tp_alloc_record *r = &s->allocs[i];
		if (r->transport == transport && tp_addr_equal(&r->client, client) &&
			tp_addr_equal(&r->listener, listener))
			break;
	}
	return i;
}

void ctl_index_insert(struct ctl_store *s, uint32_t index)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	uint32_t *bucket = &s->buckets[bucket_of(s, r->transport, &r->client, &r->listener)];
	s->slots[index].hash_next = *bucket;
	*bucket = index;
}

static void index_remove(struct ctl_store *s, uint32_t index)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	uint32_t *at = &s->buckets[bucket_of(s, r->transport, &r->client, &r->listener)];
	while (*at != index)
		at = &s->slots[*at].hash_next;
	*at = s->slots[index].hash_next;
}

// ---- Creating.

// Relay ports for all families asked for; on failure none is taken.
static int take_ports(struct ctl_store *s, const struct ctl_allocation_request *q,
	struct ctl_relay_port port[2], struct ctl_relay_port *reserved)
{
	port[0] = port[1] = *reserved = CTL_RELAY_NONE;
	if (q->token) {
		port[0] = ctl_reservation_take(s, q->token);
		return port[0].address == TP_INDEX_NONE ? -ENOSPC : 0;
	}
	static const enum ctl_port_wish wish_of[] = {
		[CTL_PORT_ANY] = CTL_WISH_ANY,
		[CTL_PORT_EVEN] = CTL_WISH_EVEN,
		[CTL_PORT_RESERVE] = CTL_WISH_PAIR,
	};
	int n = 0, missing = -EAFNOSUPPORT;
	for (int f = 0; f < 2; f++) {
		if (!(q->families & 1 << f))
			continue;
		int rc = ctl_relays_take(&s->relays, &s->draw, f ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4,
			wish_of[q->even_port], &port[n]);
		if (rc == 0) {
			n++;
		} else if (!(q->optional_families & 1 << f)) {
			if (n)
				ctl_relays_release(&s->relays, port[0]);
			return rc;
		} else {
			missing = rc;
		}
	}
	if (n == 0)
		return missing;
	if (q->even_port == CTL_PORT_RESERVE)
		*reserved = (struct ctl_relay_port){
			.address = port[0].address, .port = (uint16_t)(port[0].port + 1)};
	return 0;
}

static int check_quota(const struct ctl_store *s, const struct ctl_allocation_request *q)
{
	const struct ctl_store_policy *p = &s->policy;
	if (p->allocations_total && s->counts.allocations >= p->allocations_total)
		return -EDQUOT;
	if (p->allocations_per_user &&
		ctl_quota_count(&s->quota, q->user, q->user_length) >= p->allocations_per_user)
		return -EDQUOT;
	return 0;
}

static void next_uid(struct ctl_store *s, uint8_t uid[16])
{
	memcpy(uid, s->header->uid_prefix, 8);
	tp_wr64(uid + 8, s->header->next_uid++);
}

static void write_user(struct ctl_store *s, struct tp_alloc_record *r,
	const struct ctl_allocation_request *q, uint32_t name)
{
	size_t in_record = q->user_length;
	if (in_record > TP_RECORD_NAME_INLINE)
		in_record = TP_RECORD_NAME_INLINE;
	r->user_length = (uint16_t)q->user_length;
	r->user_more = name;
	memset(r->user, 0, sizeof(r->user));
	memcpy(r->user, q->user, in_record);
	if (name == TP_INDEX_NONE)
		return;
	struct tp_name_record *n = &s->names[name];
	ctl_write_begin(&n->sequence);
	n->layout = TP_RECORD_LAYOUT;
	n->state = TP_RECORD_LIVE;
	n->owner = r->self;
	memset(n->bytes, 0, sizeof(n->bytes));
	memcpy(n->bytes, q->user + in_record, q->user_length - in_record);
	ctl_write_end(&n->sequence);
}

static void write_record(struct ctl_store *s, uint32_t index, uint32_t name,
	const struct ctl_allocation_request *q, struct ctl_time now)
{
	struct tp_alloc_record *r = &s->allocs[index];
	const struct ctl_slot *slot = &s->slots[index];
	uint32_t generation = r->self.generation + 1;
	ctl_write_begin(&r->sequence);
	r->layout = TP_RECORD_LAYOUT;
	r->state = TP_RECORD_LIVE;
	r->end_reason = TP_END_NONE;
	r->self = (struct tp_alloc_ref){.index = index, .generation = generation ? generation : 1};
	next_uid(s, r->uid);
	r->start_wall_ns = now.wall_ns;
	r->deadline_ns = now.now_ns + q->lifetime_s * TP_NS_PER_S;
	r->client = q->client;
	r->listener = q->listener;
	r->transport = q->transport;
	r->relay[0] = ctl_relays_address(&s->relays, slot->relay[0]);
	r->relay[1] = ctl_relays_address(&s->relays, slot->relay[1]);
	r->first_peer = TP_INDEX_NONE;
	r->peers = 0;
	memcpy(r->transaction_id, q->transaction_id, sizeof(r->transaction_id));
	r->granted_lifetime_s = q->lifetime_s;
	memset(&r->snapshot, 0, sizeof(r->snapshot));
	r->snapshot_wall_ns = now.wall_ns;
	r->realm = 0;
	r->closed_families = 0;
	memset(r->reserved, 0, sizeof(r->reserved));
	write_user(s, r, q, name);
	ctl_write_end(&r->sequence);
}

int ctl_allocation_create(struct ctl_store *s, const struct ctl_allocation_request *q,
	struct ctl_time now, struct ctl_change *change,
	uint8_t token_out[CTL_RESERVATION_TOKEN_BYTES])
{
	if (q->user_length == 0 || q->user_length > CTL_USER_MAX_BYTES)
		return -EINVAL;
	if (ctl_room(s) < 2) // one may go for an expired predecessor
		return -ENOBUFS;
	uint32_t old = ctl_index_find(s, q->transport, &q->client, &q->listener);
	if (old != TP_INDEX_NONE) {
		if (s->allocs[old].deadline_ns > now.now_ns)
			return -EEXIST;
		ctl_allocation_delete(s, s->allocs[old].self, TP_END_EXPIRED, now, NULL);
	}
	int rc = check_quota(s, q);
	if (rc)
		return rc;
	bool long_name = q->user_length > TP_RECORD_NAME_INLINE;
	if (s->free_allocs.count == 0 || (long_name && s->free_names.count == 0))
		return -ENOSPC;

	struct ctl_relay_port port[2], reserved;
	rc = take_ports(s, q, port, &reserved);
	if (rc)
		return rc;
	uint32_t index = s->free_allocs.head;
	uint32_t generation = s->allocs[index].self.generation + 1;
	struct tp_alloc_ref ref = {.index = index, .generation = generation ? generation : 1};
	if (reserved.address != TP_INDEX_NONE) {
		rc = ctl_reservation_make(s, reserved, ref, now, token_out);
		if (rc)
			goto fail_ports;
	}
	struct ctl_slot *slot = &s->slots[index];
	slot->user = ctl_quota_take(&s->quota, q->user, q->user_length);
	if (!slot->user) {
		rc = -ENOSPC;
		goto fail_reservation;
	}
	ctl_free_list_take(&s->free_allocs);
	slot->relay[0] = port[0];
	slot->relay[1] = port[1];
	uint32_t name = long_name ? ctl_free_list_take(&s->free_names) : TP_INDEX_NONE;
	write_record(s, index, name, q, now);
	ctl_index_insert(s, index);
	ctl_heap_set(&s->expiry, index, s->allocs[index].deadline_ns);
	s->counts.allocations++;
	s->counts.created++;
	change->alloc = ref;
	change->created_allocation = true;
	ctl_send_alloc_set(s, &s->allocs[index], change);
	return 0;

fail_reservation:
	ctl_reservation_drop_of(s, ref);
	reserved = CTL_RELAY_NONE;
fail_ports:
	ctl_relays_release(&s->relays, port[0]);
	ctl_relays_release(&s->relays, port[1]);
	ctl_relays_release(&s->relays, reserved);
	return rc;
}

// ---- Finding.

const struct tp_alloc_record *ctl_allocation_find(const struct ctl_store *s, uint8_t transport,
	const struct tp_addr *client, const struct tp_addr *listener, struct ctl_time now)
{
	uint32_t i = ctl_index_find(s, transport, client, listener);
	if (i == TP_INDEX_NONE || s->allocs[i].deadline_ns <= now.now_ns)
		return NULL;
	return &s->allocs[i];
}

const struct tp_alloc_record *ctl_allocation_get(const struct ctl_store *s, struct tp_alloc_ref ref)
{
	return ctl_live(s, ref);
}

const struct tp_alloc_record *ctl_allocation_next(const struct ctl_store *s, uint32_t *index)
{
	while (*index < s->alloc_capacity) {
		const struct tp_alloc_record *r = &s->allocs[(*index)++];
		if (r->state == TP_RECORD_LIVE)
			return r;
	}
	return NULL;
}

size_t ctl_allocation_user(
	const struct ctl_store *s, const struct tp_alloc_record *r, uint8_t out[CTL_USER_MAX_BYTES])
{
	size_t length = r->user_length;
	if (r->user_more == TP_INDEX_NONE) {
		memcpy(out, r->user, length);
		return length;
	}
	memcpy(out, r->user, TP_RECORD_NAME_INLINE);
	memcpy(out + TP_RECORD_NAME_INLINE, s->names[r->user_more].bytes,
		length - TP_RECORD_NAME_INLINE);
	return length;
}

struct tp_addr ctl_allocation_public_relay(
	const struct ctl_store *s, const struct tp_alloc_record *r, int which)
{
	return ctl_relays_public(&s->relays, &r->relay[which]);
}

// ---- Changing and ending.

void ctl_send_alloc_set(
	struct ctl_store *s, const struct tp_alloc_record *r, struct ctl_change *change)
{
	struct tp_cmd cmd = {.type = TP_CMD_ALLOC_SET,
		.layout = 1,
		.alloc = r->self,
		.deadline_ns = r->deadline_ns,
		.allocation = {.client = r->client,
			.listener = r->listener,
			.relay = {r->relay[0], r->relay[1]},
			.rate_bytes_per_s = s->policy.rate_bytes_per_s}};
	ctl_send(s, &cmd, change);
}

int ctl_allocation_refresh(struct ctl_store *s, struct tp_alloc_ref ref, uint32_t lifetime_s,
	struct ctl_time now, struct ctl_change *change)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return -ENOENT;
	if (ctl_room(s) < 1)
		return -ENOBUFS;
	change->alloc = ref;
	change->refreshed_allocation = true;
	change->old_deadline_ns = r->deadline_ns;
	change->old_lifetime_s = r->granted_lifetime_s;
	ctl_write_begin(&r->sequence);
	r->deadline_ns = now.now_ns + lifetime_s * TP_NS_PER_S;
	r->granted_lifetime_s = lifetime_s;
	ctl_write_end(&r->sequence);
	ctl_heap_set(&s->expiry, ref.index, r->deadline_ns);
	ctl_send_alloc_set(s, r, change);
	return 0;
}

int ctl_allocation_delete(struct ctl_store *s, struct tp_alloc_ref ref, enum tp_end_reason reason,
	struct ctl_time now, struct ctl_change *change)
{
	if (!ctl_live(s, ref))
		return -ENOENT;
	if (ctl_room(s) < 1)
		return -ENOBUFS;
	struct tp_cmd cmd = {.type = TP_CMD_ALLOC_DELETE, .layout = 1, .alloc = ref};
	ctl_send(s, &cmd, change);
	if (change)
		change->alloc = ref;
	ctl_alloc_end(s, ref.index, reason, now, now.now_ns + s->policy.port_rest_s * TP_NS_PER_S);
	return 0;
}

uint8_t ctl_allocation_families(const struct tp_alloc_record *r)
{
	uint8_t families = 0;
	for (int i = 0; i < 2; i++)
		if (r->relay[i].ip.family != TP_FAMILY_NONE)
			families |= ctl_family_bit(r->relay[i].ip.family);
	return families & (uint8_t)~r->closed_families;
}

bool ctl_store_has_family(const struct ctl_store *s, uint8_t family)
{
	return ctl_relays_have(&s->relays, family);
}

int ctl_allocation_close_family(
	struct ctl_store *s, struct tp_alloc_ref ref, uint8_t family, struct ctl_change *change)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return -ENOENT;
	uint8_t families = ctl_allocation_families(r), bit = ctl_family_bit(family);
	if (!(families & bit))
		return -EAFNOSUPPORT;
	if (families == bit)
		return -EBUSY;
	if (ctl_room(s) < r->peers)
		return -ENOBUFS;
	change->alloc = ref;
	ctl_write_begin(&r->sequence);
	r->closed_families |= bit;
	ctl_write_end(&r->sequence);
	for (uint32_t i = r->first_peer, next; i != TP_INDEX_NONE; i = next) {
		next = s->peers[i].next;
		if (s->peers[i].peer.ip.family != family)
			continue;
		ctl_send_peer(s, i, false, change);
		ctl_peer_remove(s, i);
	}
	return 0;
}

static void free_name(struct ctl_store *s, uint32_t name)
{
	struct tp_name_record *n = &s->names[name];
	ctl_write_begin(&n->sequence);
	n->state = TP_RECORD_FREE;
	ctl_write_end(&n->sequence);
	ctl_free_list_put(&s->free_names, name);
}

void ctl_alloc_end(struct ctl_store *s, uint32_t index, enum tp_end_reason reason,
	struct ctl_time now, uint64_t rest_until_ns)
{
	struct tp_alloc_record *r = &s->allocs[index];
	while (r->first_peer != TP_INDEX_NONE)
		ctl_peer_remove(s, r->first_peer);
	if (r->user_more != TP_INDEX_NONE)
		free_name(s, r->user_more);
	index_remove(s, index);
	ctl_quota_release(&s->quota, s->slots[index].user);
	s->slots[index].user = NULL;
	ctl_write_begin(&r->sequence);
	r->state = TP_RECORD_RESTING;
	r->end_reason = (uint8_t)reason;
	r->deadline_ns = rest_until_ns;
	r->user_more = TP_INDEX_NONE;
	if (r->user_length > TP_RECORD_NAME_INLINE)
		r->user_length = TP_RECORD_NAME_INLINE;
	r->snapshot_wall_ns = now.wall_ns;
	ctl_write_end(&r->sequence);
	s->counts.allocations--;
	s->counts.ended[reason]++;
	s->counts.resting++;
	if (rest_until_ns == 0)
		ctl_alloc_free(s, index);
	else
		ctl_heap_set(&s->expiry, index, rest_until_ns);
}

void ctl_alloc_free(struct ctl_store *s, uint32_t index)
{
	struct tp_alloc_record *r = &s->allocs[index];
	ctl_heap_remove(&s->expiry, index);
	for (int i = 0; i < 2; i++) {
		ctl_relays_release(&s->relays, s->slots[index].relay[i]);
		s->slots[index].relay[i] = CTL_RELAY_NONE;
	}
	ctl_write_begin(&r->sequence);
	r->state = TP_RECORD_FREE;
	ctl_write_end(&r->sequence);
	s->counts.resting--;
	ctl_free_list_put(&s->free_allocs, index);
}

uint64_t ctl_allocation_poll_counters(struct ctl_store *s, struct tp_alloc_ref ref)
{
	if (!ctl_live(s, ref) || ctl_room(s) < 1)
		return 0;
	struct tp_cmd cmd = {.type = TP_CMD_COUNTERS, .layout = 1, .alloc = ref};
	struct ctl_change change = {};
	ctl_send(s, &cmd, &change);
	return change.first_sequence;
}
