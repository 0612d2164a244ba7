// SPDX-License-Identifier: BSD-3-Clause
// Making an allocation: quotas, a record, relay ports, the five-tuple, in this order; on failure in
// the reverse one.
#include "control/alloc/allocation.h"

#include <errno.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "control/alloc/family.h"

static_assert(
	sizeof(((struct tp_name_record *)0)->bytes) + TP_RECORD_NAME_INLINE >= CTL_USER_MAX_BYTES);

// One relay port. Ports that rest give way, as long as some rest where they could be given.
static int take_port(
	struct ctl_store *s, int f, enum ctl_port_wish wish, struct ctl_relay_port *out)
{
	for (;;) {
		int rc = ctl_relays_take(
			&s->relays, &s->draw, f ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4, wish, out);
		if (rc != -ENOSPC || s->relays.resting[f] == 0 || !ctl_rest_yield(s))
			return rc;
	}
}

// Relay ports for all families asked for; on failure none is taken.
static int take_ports(struct ctl_store *s, const struct ctl_allocation_request *q,
	struct ctl_relay_port port[2], struct ctl_relay_port *reserved)
{
	port[0] = port[1] = *reserved = CTL_RELAY_NONE;
	if (q->token) {
		port[0] = ctl_reservation_take(s, q->token);
		return port[0].address == TP_INDEX_NONE ? -ENOSPC : 0;
	}
	if (q->relay) {
		bool taken;
		port[0] = ctl_relays_mark(&s->relays, q->relay, &taken);
		if (port[0].address != TP_INDEX_NONE)
			return 0;
		return taken ? -EADDRINUSE : -EADDRNOTAVAIL;
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
		int rc = take_port(s, f, wish_of[q->even_port], &port[n]);
		if (rc == 0) {
			n++;
		} else if (!(q->optional_families & 1 << f)) {
			if (n)
				ctl_relays_release(&s->relays, port[0]);
			return rc;
		} else if (missing == -EAFNOSUPPORT) {
			missing = rc; // what another time may bring counts
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
	uint64_t tag = ctl_tag_of(s, q->realm);
	if (q->realm == CTL_REALM_SYNTHETIC)
		return 0;
	if (p->allocations_total &&
		s->counts.allocations - s->counts.synthetic >= p->allocations_total)
		return -EUSERS;
	if (p->allocations_per_user &&
		ctl_quota_count(&s->quota, tag, q->user, q->user_length) >= p->allocations_per_user)
		return -EDQUOT;
	if (p->allocations_per_realm &&
		ctl_quota_count_realm(&s->quota, tag) >= p->allocations_per_realm)
		return -EDQUOT;
	if (q->even_port == CTL_PORT_RESERVE && ctl_reservation_count(s, q->realm, q->user,
							q->user_length) >= CTL_RESERVATIONS_USER)
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
	n->layout = TP_NAME_LAYOUT;
	n->state = TP_RECORD_LIVE;
	n->owner = r->self;
	memset(n->bytes, 0, sizeof(n->bytes));
	memcpy(n->bytes, q->user + in_record, q->user_length - in_record);
	ctl_write_end(&n->sequence);
}

// `token`: of the reservation that goes with it, or NULL.
static void write_record(struct ctl_store *s, uint32_t index, uint32_t name,
	const struct ctl_allocation_request *q, struct ctl_time now, const uint8_t *token)
{
	struct tp_alloc_record *r = &s->allocs[index];
	const struct ctl_slot *slot = &s->slots[index];
	uint32_t generation = r->self.generation + 1;
	ctl_write_begin(&r->sequence);
	r->layout = TP_ALLOC_LAYOUT;
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
	memset(&r->carried, 0, sizeof(r->carried));
	r->snapshot_wall_ns = now.wall_ns;
	r->realm = q->realm;
	r->realm_tag = ctl_tag_of(s, q->realm);
	r->closed_families = q->over_tcp ? TP_RECORD_OVER_TCP : 0;
	ctl_write_mac_key(r, q->mac_key, q->mac_key_length);
	memset(r->family_deadline_ns, 0, sizeof(r->family_deadline_ns));
	ctl_family_settle(r);
	ctl_reservation_note(r, token, now);
	r->ticket = q->mobile ? 1 : 0;
	r->moved_wall_s = 0;
	ctl_move_write(s, r, NULL);
	r->stream = q->stream;
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
	struct tp_addr client = ctl_client_key(q->transport, &q->client, q->stream);
	uint32_t old = ctl_index_find(s, q->transport, &client, &q->listener);
	if (old != TP_INDEX_NONE) {
		if (s->allocs[old].deadline_ns > now.now_ns)
			return -EEXIST;
		ctl_allocation_delete(s, s->allocs[old].self, TP_END_EXPIRED, now, NULL);
	}
	int rc = check_quota(s, q);
	if (rc)
		return rc;
	bool long_name = q->user_length > TP_RECORD_NAME_INLINE;
	if (s->free_allocs.count == 0)
		ctl_rest_yield(s);
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
		rc = ctl_reservation_make(s, reserved, ref, q, now, token_out);
		if (rc)
			goto fail_ports;
	}
	struct ctl_slot *slot = &s->slots[index];
	slot->user = ctl_quota_take(&s->quota, ctl_tag_of(s, q->realm), q->user, q->user_length);
	if (!slot->user) {
		rc = -ENOSPC;
		goto fail_reservation;
	}
	ctl_free_list_take(&s->free_allocs);
	slot->permissions = 0;
	slot->peers_full_ns = 0;
	slot->relay[0] = port[0];
	slot->relay[1] = port[1];
	slot->changes = 0;
	uint32_t name = long_name ? ctl_free_list_take(&s->free_names) : TP_INDEX_NONE;
	write_record(s, index, name, q, now, reserved.address != TP_INDEX_NONE ? token_out : NULL);
	ctl_index_insert(s, index);
	ctl_heap_set(&s->expiry, index, s->allocs[index].deadline_ns);
	s->counts.allocations++;
	if (ctl_synthetic(&s->allocs[index]))
		s->counts.synthetic++;
	else
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
