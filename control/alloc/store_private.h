// SPDX-License-Identifier: BSD-3-Clause
// The inside of struct ctl_store, shared by the files of control/alloc and by nobody else.
#pragma once

#include "control/alloc/allocation.h"
#include "control/alloc/draw.h"
#include "control/alloc/free_list.h"
#include "control/alloc/heap.h"
#include "control/alloc/quota.h"
#include "control/alloc/record_write.h"
#include "control/alloc/relay_address.h"
#include "control/alloc/synthetic.h"
#include "control/alloc/written.h"

#define CTL_RESERVATIONS       256
#define CTL_RESERVATIONS_USER  8               // at once, so that no user takes them all
#define CTL_RESERVATION_S      30              // RFC 8656 section 7.2: at least 30 seconds
#define CTL_PLAUSIBLE_LIFETIME UINT64_C(86400) // seconds; longer ones in a region are damage

// What is known of an allocation record besides the record.
struct ctl_slot {
	uint32_t hash_next;                // while live
	uint32_t move_next;                // the same for the place of a pending client
	uint32_t before_next;              // and of the one pending before
	uint32_t rest_previous, rest_next; // while resting
	uint32_t permissions;              // while live: how many of its peers
	uint64_t peers_full_ns;            // when its budget of new peers is full again
	uint16_t changes;                  // under way
	uint16_t move_listener;            // index into the policy's, while its client moves
	uint16_t before_listener;          // the same of the pending client before
	uint64_t move_sequence;            // of the command that began its last move
	struct ctl_relay_port relay[2];
	struct ctl_quota_user *user; // while live
};

struct ctl_reservation {
	bool used;
	struct ctl_relay_port port;
	struct tp_alloc_ref maker; // its record keeps token and deadline for an adoption
	uint64_t user;             // hash of the maker's name and realm
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES];
};

struct ctl_store {
	struct ctl_store_policy policy;
	uint32_t rest_first, rest_last; // oldest and youngest resting record
	struct ctl_commands commands;
	ctl_store_ended_fn ended; // may be NULL
	void *ended_context;
	void (*working)(void); // may be NULL
	struct ctl_draw draw;

	struct ctl_written written; // of the region's file
	struct tp_region_header *header;
	struct tp_region_keys *keys; // in the header's page, as
	struct tp_region_counted *counted;
	struct tp_region_alloc_journal *alloc_journal;
	struct tp_region_peer_journal *peer_journal;
	struct tp_alloc_record *allocs;
	struct tp_peer_record *peers;
	struct tp_name_record *names;
	uint32_t alloc_capacity, peer_capacity, name_capacity; // checked once, then trusted

	struct tp_siphash_key key;
	struct ctl_slot *slots;
	uint32_t *buckets; // five-tuple -> first place, five_tuple.c
	uint32_t bucket_mask;
	struct ctl_free_list free_allocs, free_peers, free_names;
	struct ctl_heap expiry; // objects: allocs, then peers, then reservations
	struct ctl_relays relays;
	struct ctl_quota quota;
	struct ctl_reservation reservations[CTL_RESERVATIONS];
	bool resync_due;     // a roll-back found no room
	uint32_t renew_next; // record that the rates are told of next; beyond the last: done
	uint64_t renew_sequence, acked_sequence; // of the last command of that kind, of all
	struct ctl_store_status counts; // live objects and totals; capacities are filled on demand
};

static inline uint32_t ctl_heap_of_peer(const struct ctl_store *s, uint32_t peer)
{
	return s->alloc_capacity + peer;
}

static inline uint32_t ctl_heap_of_reservation(const struct ctl_store *s, uint32_t reservation)
{
	return s->alloc_capacity + s->peer_capacity + reservation;
}

// The live record behind a reference, writable; NULL when it is gone.
static inline struct tp_alloc_record *ctl_live(const struct ctl_store *s, struct tp_alloc_ref ref)
{
	if (ref.index >= s->alloc_capacity)
		return NULL;
	struct tp_alloc_record *r = &s->allocs[ref.index];
	return r->state == TP_RECORD_LIVE && r->self.generation == ref.generation ? r : NULL;
}

static inline uint32_t ctl_place_of_move(const struct ctl_store *s, uint32_t index)
{
	return s->alloc_capacity + index;
}

static inline uint32_t ctl_place_of_before(const struct ctl_store *s, uint32_t index)
{
	return 2 * s->alloc_capacity + index;
}

static inline bool ctl_moving(const struct tp_alloc_record *r)
{
	return r->move_family != TP_FAMILY_NONE;
}

static inline struct tp_addr ctl_move_client(const struct tp_alloc_record *r)
{
	struct tp_addr client = {.ip.family = r->move_family, .port = r->move_port};
	memcpy(client.ip.bytes, r->move_ip, sizeof(r->move_ip));
	return client;
}

// Of a record that is moving.
static inline const struct tp_addr *ctl_move_listener(
	const struct ctl_store *s, const struct tp_alloc_record *r)
{
	return &s->policy.listeners[s->slots[r->self.index].move_listener];
}

// The client that was pending before, of a record whose `before` has a family.
static inline struct tp_addr ctl_before_client(const struct tp_alloc_record *r)
{
	struct tp_addr client = {.ip.family = r->before.family, .port = r->before.port};
	memcpy(client.ip.bytes, r->before.ip, sizeof(r->before.ip));
	return client;
}

static inline const struct tp_addr *ctl_before_listener(
	const struct ctl_store *s, const struct tp_alloc_record *r)
{
	return &s->policy.listeners[s->slots[r->self.index].before_listener];
}

// As the dataplane and five_tuple.c know the three places of a client.
static inline struct tp_addr ctl_key_of(const struct tp_alloc_record *r)
{
	return ctl_client_key(r->transport, &r->client, r->stream);
}

static inline struct tp_addr ctl_key_of_move(const struct tp_alloc_record *r)
{
	struct tp_addr client = ctl_move_client(r);
	return ctl_client_key(r->move_transport, &client, r->move_stream);
}

static inline struct tp_addr ctl_key_of_before(const struct tp_alloc_record *r)
{
	struct tp_addr client = ctl_before_client(r);
	return ctl_client_key(r->before.transport, &client, r->before_stream);
}

static inline uint8_t ctl_family_bit(uint8_t family)
{
	return family == TP_FAMILY_IPV4   ? CTL_FAMILY_BIT_IPV4
	       : family == TP_FAMILY_IPV6 ? CTL_FAMILY_BIT_IPV6
					  : 0;
}

// The tag of a realm by its index, 0 where there is but one without a name.
static inline uint64_t ctl_tag_of(const struct ctl_store *s, uint16_t realm)
{
	if (realm == CTL_REALM_SYNTHETIC)
		return CTL_TAG_SYNTHETIC;
	return realm < s->policy.n_realms ? s->policy.realm_tag[realm] : 0;
}

static inline uint32_t ctl_room(const struct ctl_store *s)
{
	return s->commands.room(s->commands.context);
}

// ---- store.c
// Sends one command, noted in `change` unless NULL.
void ctl_send(struct ctl_store *s, const struct tp_cmd *cmd, struct ctl_change *change);

// ---- journal.c
// A write of a record that is in use: as ctl_write_begin and _end, and until its end the region
// keeps what the record held. One allocation record and one peer record at a time.
void ctl_record_begin(struct ctl_store *s, struct tp_alloc_record *r);
void ctl_record_end(struct ctl_store *s, struct tp_alloc_record *r);
void ctl_peer_begin(struct ctl_store *s, struct tp_peer_record *p);
void ctl_peer_end(struct ctl_store *s, struct tp_peer_record *p);
// Undoes the writes that an earlier control did not end. Before the records are looked at.
void ctl_journal_undo(struct ctl_store *s);

// ---- five_tuple.c
// An allocation has the place `index` for its client, ctl_place_of_move(index) for the client it is
// moving to, and ctl_place_of_before(index) for the one it was moving to before.
void ctl_index_insert(struct ctl_store *s, uint32_t place);
// The allocation's index, by any of its five-tuples, or TP_INDEX_NONE. `client` is a
// ctl_client_key; one of a connection is enough, transport and listener are then not looked at.
uint32_t ctl_index_find(const struct ctl_store *s, uint8_t transport, const struct tp_addr *client,
	const struct tp_addr *listener);
// Of a place that is in it.
void ctl_index_remove(struct ctl_store *s, uint32_t place);

// ---- allocation.c
void ctl_send_alloc_set(
	struct ctl_store *s, const struct tp_alloc_record *r, struct ctl_change *change);
// Within a write of the record; the old key is wiped. Length 0: none.
void ctl_write_mac_key(struct tp_alloc_record *r, const uint8_t *mac_key, uint8_t length);
// Ends a live record without a command: peers, name, user, index go; ports rest until
// rest_until_ns, or are free at once when that is 0.
void ctl_alloc_end(struct ctl_store *s, uint32_t index, enum tp_end_reason reason,
	struct ctl_time now, uint64_t rest_until_ns);
// A resting record becomes free.
void ctl_alloc_free(struct ctl_store *s, uint32_t index);

// ---- mobility.c
// Writes where the client is moving to (NULL: nowhere, nor was it before), by which listener of the
// policy. Inside of a write of the record.
struct ctl_move_place {
	struct tp_addr client;
	uint32_t listener; // index into the policy's
	uint8_t transport;
	struct tp_stream_client stream;
};
void ctl_move_write(
	struct ctl_store *s, struct tp_alloc_record *r, const struct ctl_move_place *to);
// What stands for a listener in a record. Never 0.
uint32_t ctl_listener_tag(const struct ctl_store *s, const struct tp_addr *listener);
// Index into the policy's of one with that transport, or TP_INDEX_NONE.
uint32_t ctl_listener_find(
	const struct ctl_store *s, const struct tp_addr *listener, uint8_t transport);
uint32_t ctl_listener_find_tag(const struct ctl_store *s, uint32_t tag, uint8_t transport);
// Forgets where the client is moving to, and was before; no command. Inside of a write of the
// record.
void ctl_move_clear(struct ctl_store *s, struct tp_alloc_record *r);
// Ends a move without the new five-tuple; ALLOC_SET. False when there is none, or no room.
bool ctl_move_give_up(struct ctl_store *s, struct tp_alloc_ref ref);
// The dataplane has acknowledged an ALLOC_SET with this sequence: if it is that of the last move or
// a later one, the move before is over.
void ctl_move_begun(struct ctl_store *s, struct tp_alloc_ref ref, uint64_t sequence);
// Takes a move back, as the change noted it; the caller sends the ALLOC_SET.
void ctl_move_undo(struct ctl_store *s, struct tp_alloc_record *r, const struct ctl_change *change);

// ---- resting.c
void ctl_rest_add(struct ctl_store *s, uint32_t index, uint64_t until_ns);
void ctl_rest_remove(struct ctl_store *s, uint32_t index);
// Frees the record that has rested longest; false when none rests.
bool ctl_rest_yield(struct ctl_store *s);

// ---- permission.c
// Removes a peer record from its live allocation and frees it; no command.
void ctl_peer_remove(struct ctl_store *s, uint32_t peer);
void ctl_peer_free(struct ctl_store *s, uint32_t peer);
void ctl_peer_set_deadline(struct ctl_store *s, uint32_t peer, uint64_t deadline_ns);
void ctl_send_peer(struct ctl_store *s, uint32_t peer, bool set, struct ctl_change *change);

// ---- relay_use.c
// Takes the use of the relay addresses from the region, which forgets those that are not
// configured; after the records have taken their ports.
void ctl_relay_use_adopt(struct ctl_store *s);

// ---- reservation.c
// How many the user has that nobody has taken yet.
uint32_t ctl_reservation_count(
	const struct ctl_store *s, uint16_t realm, const void *user, size_t user_length);
// 0; -ENOSPC all are used; errors of the random source.
int ctl_reservation_make(struct ctl_store *s, struct ctl_relay_port port, struct tp_alloc_ref maker,
	const struct ctl_allocation_request *q, struct ctl_time now,
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES]);
// Notes the reservation in the record of its maker, which is being written.
void ctl_reservation_note(struct tp_alloc_record *r,
	const uint8_t token[CTL_RESERVATION_TOKEN_BYTES], struct ctl_time now);
// Takes over the reservation that an adopted record tells of, if it is still good.
void ctl_reservation_adopt(struct ctl_store *s, uint32_t index, struct ctl_time now);
// Takes the reserved port out; none when there is no such token.
struct ctl_relay_port ctl_reservation_take(
	struct ctl_store *s, const uint8_t token[CTL_RESERVATION_TOKEN_BYTES]);
void ctl_reservation_drop(struct ctl_store *s, uint32_t reservation);
void ctl_reservation_drop_of(struct ctl_store *s, struct tp_alloc_ref maker);
