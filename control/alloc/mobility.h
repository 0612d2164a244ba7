// SPDX-License-Identifier: BSD-3-Clause
// Allocations that move with their clients (RFC 8016 section 3.2.2). A move begins with a Refresh
// that carries a ticket: the record has the new five-tuple beside the old one, and both find it. It
// ends when the dataplane says that data came by the new one; the old one is then forgotten.
#pragma once

#include "control/alloc/change.h"

// How long a ticket is known after it was used, for retransmissions (section 3.2.2: at least 30 s).
#define CTL_TICKET_KEPT_S 60

struct ctl_move_request {
	struct tp_addr client;   // of no allocation (ctl_allocation_find)
	struct tp_addr listener; // one of the policy's
	uint8_t transport;
	struct tp_stream_client stream; // of another transport than UDP
	const uint8_t *transaction_id;
	uint32_t lifetime_s; // granted
};

// Whether it can move at all: its client asked for tickets.
bool ctl_allocation_mobile(const struct tp_alloc_record *record);

// How many moves were begun; the number of the last one.
uint32_t ctl_allocation_moves(const struct tp_alloc_record *record);

// Where its client is moving to, and by which listener; false when it is not.
bool ctl_allocation_moving(const struct ctl_store *store, const struct tp_alloc_record *record,
	struct tp_addr *client, struct tp_addr *listener);

// Whether this is a five-tuple of the allocation, the old or the new one. `client` is a
// ctl_client_key.
bool ctl_allocation_at(const struct ctl_store *store, const struct tp_alloc_record *record,
	uint8_t transport, const struct tp_addr *client, const struct tp_addr *listener);

// Begins a move and refreshes; another one under way is given up, unless the dataplane has
// completed it, which its acknowledgement tells: the newest counts. ALLOC_SET. The record's ticket
// counter is then that of the next ticket. 0; -ENOENT; -EPERM not mobile; -EEXIST the five-tuple
// has an allocation; -EINVAL no such listener; -ENOBUFS.
int ctl_allocation_move(struct ctl_store *store, struct tp_alloc_ref ref,
	const struct ctl_move_request *request, struct ctl_time now, struct ctl_change *change);

// The dataplane has completed this move: the new five-tuple is the client's. That may be the
// record's last one, or the one before it when the last one was begun on top of it: then the last
// one goes on from there. Any other is nothing.
void ctl_allocation_moved(struct ctl_store *store, struct tp_alloc_ref ref, uint32_t move);

// The move that has made this ticket counter the newest one, repeated within CTL_TICKET_KEPT_S: the
// same transaction, from the five-tuple that it named, with the ticket before.
bool ctl_allocation_move_repeated(const struct ctl_store *store,
	const struct tp_alloc_record *record, uint32_t ticket,
	const struct ctl_move_request *request, struct ctl_time now);

// Changes of an allocation under way, from whichever five-tuple: a request that meets one of
// another five-tuple must wait, or a roll-back would take back what was built on top. A gone
// allocation has none.
void ctl_allocation_hold(struct ctl_store *store, struct tp_alloc_ref ref);
void ctl_allocation_release(struct ctl_store *store, struct tp_alloc_ref ref);
bool ctl_allocation_held(const struct ctl_store *store, struct tp_alloc_ref ref);

// Key of the tickets, in the region; changes with ctl_store_move.
const uint8_t *ctl_store_ticket_key(const struct ctl_store *store);
