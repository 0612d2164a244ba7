// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/allocation.h"

#include <errno.h>

#include "common/base/clock.h"
#include "control/alloc/mobility.h"
#include "control/alloc/store_private.h"

const char *ctl_transport_name(uint8_t transport)
{
	static const char *const name[] = {"udp", "tcp", "tls", "dtls"};
	return transport <= CTL_TRANSPORT_DTLS ? name[transport] : "";
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

struct tp_alloc_ref ctl_allocation_ref(const struct ctl_store *s, uint32_t index)
{
	return s->allocs[index].self;
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

bool ctl_allocation_is_of(const struct ctl_store *s, const struct tp_alloc_record *r,
	uint16_t realm, const void *user, size_t user_length)
{
	uint8_t name[CTL_USER_MAX_BYTES];
	if (r->realm_tag != ctl_tag_of(s, realm) || r->user_length != user_length)
		return false;
	ctl_allocation_user(s, r, name);
	return memcmp(name, user, user_length) == 0;
}

uint16_t ctl_allocation_realm(const struct ctl_store *s, const struct tp_alloc_record *r)
{
	for (size_t i = 0; i < s->policy.n_realms; i++)
		if (s->policy.realm_tag[i] == r->realm_tag)
			return (uint16_t)i;
	return 0;
}

struct tp_addr ctl_allocation_public_relay(
	const struct ctl_store *s, const struct tp_alloc_record *r, int which)
{
	return ctl_relays_public(&s->relays, &r->relay[which]);
}

struct tp_addr ctl_peer_public(const struct ctl_store *s, const struct tp_addr *peer)
{
	struct tp_addr form = ctl_relays_public(&s->relays, peer);
	return form.ip.family != TP_FAMILY_NONE ? form : *peer;
}

struct tp_addr ctl_peer_private(const struct ctl_store *s, const struct tp_addr *peer)
{
	struct tp_addr form = ctl_relays_private(&s->relays, peer);
	return form.ip.family != TP_FAMILY_NONE ? form : *peer;
}

// ---- Changing and ending.

void ctl_send_alloc_set(
	struct ctl_store *s, const struct tp_alloc_record *r, struct ctl_change *change)
{
	const struct tp_addr by_stream = {.ip.family = TP_FAMILY_STREAM};
	struct tp_cmd cmd = {.type = TP_CMD_ALLOC_SET,
		.layout = 1,
		.move = ctl_allocation_moves(r),
		.alloc = r->self,
		.deadline_ns = r->deadline_ns,
		.allocation = {.client = ctl_key_of(r),
			.listener = r->transport == CTL_TRANSPORT_UDP ? r->listener : by_stream,
			.relay = {r->relay[0], r->relay[1]},
			.rate_bytes_per_s = s->policy.rate_bytes_per_s,
			.rate_packets_per_s = s->policy.rate_packets_per_s,
			.family_deadline_ns = {
				r->family_deadline_ns[0], r->family_deadline_ns[1]}}};
	if (ctl_moving(r)) {
		cmd.allocation.pending = ctl_key_of_move(r);
		cmd.allocation.pending_listener = r->move_transport == CTL_TRANSPORT_UDP
							  ? *ctl_move_listener(s, r)
							  : by_stream;
	}
	ctl_send(s, &cmd, change);
}

void ctl_write_mac_key(struct tp_alloc_record *r, const uint8_t *mac_key, uint8_t length)
{
	explicit_bzero(r->mac_key, sizeof(r->mac_key));
	r->mac_key_length = length;
	if (length > 0)
		memcpy(r->mac_key, mac_key, length);
}

void ctl_allocation_renew_key(
	struct ctl_store *s, struct tp_alloc_ref ref, const uint8_t *mac_key, uint8_t length)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return;
	ctl_record_begin(s, r);
	ctl_write_mac_key(r, mac_key, length);
	ctl_record_end(s, r);
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

bool ctl_store_has_family(const struct ctl_store *s, uint8_t family)
{
	return ctl_relays_have(&s->relays, family);
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
	if (ctl_over_tcp(r) && s->ended)
		s->ended(s->ended_context, r, TP_FAMILY_NONE);
	while (r->first_peer != TP_INDEX_NONE)
		ctl_peer_remove(s, r->first_peer);
	if (r->user_more != TP_INDEX_NONE)
		free_name(s, r->user_more);
	ctl_index_remove(s, index);
	ctl_quota_release(&s->quota, s->slots[index].user);
	s->slots[index].user = NULL;
	ctl_record_begin(s, r);
	r->state = TP_RECORD_RESTING;
	ctl_move_clear(s, r);
	r->end_reason = (uint8_t)reason;
	r->deadline_ns = rest_until_ns;
	r->user_more = TP_INDEX_NONE;
	ctl_write_mac_key(r, NULL, 0);
	if (r->user_length > TP_RECORD_NAME_INLINE)
		r->user_length = TP_RECORD_NAME_INLINE;
	r->snapshot_wall_ns = now.wall_ns;
	ctl_record_end(s, r);
	s->counts.allocations--;
	if (ctl_synthetic(r))
		s->counts.synthetic--;
	else
		s->counts.ended[reason]++;
	ctl_rest_add(s, index, rest_until_ns);
	if (rest_until_ns == 0)
		ctl_alloc_free(s, index);
}

void ctl_alloc_free(struct ctl_store *s, uint32_t index)
{
	struct tp_alloc_record *r = &s->allocs[index];
	ctl_rest_remove(s, index);
	for (int i = 0; i < 2; i++) {
		ctl_relays_release(&s->relays, s->slots[index].relay[i]);
		s->slots[index].relay[i] = CTL_RELAY_NONE;
	}
	ctl_write_begin(&r->sequence);
	r->state = TP_RECORD_FREE;
	ctl_write_end(&r->sequence);
	ctl_free_list_put(&s->free_allocs, index);
}

void ctl_allocation_relayed(struct ctl_store *s, struct tp_alloc_ref ref, uint64_t up_bytes,
	uint64_t down_bytes, struct ctl_time now)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r || (up_bytes == 0 && down_bytes == 0))
		return;
	ctl_record_begin(s, r);
	r->snapshot.up_bytes += up_bytes;
	r->snapshot.down_bytes += down_bytes;
	r->snapshot_wall_ns = now.wall_ns;
	ctl_record_end(s, r);
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
