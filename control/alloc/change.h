// SPDX-License-Identifier: BSD-3-Clause
// One request's changes to the store: which commands it sent and what must be undone when the
// dataplane refuses one. A request is answered when `last_sequence` is acknowledged.
#pragma once

#include "common/abi/punt.h"
#include "control/alloc/store.h"

// XOR-PEER-ADDRESS attributes that fit the longest request, and the two steps of a channel binding.
#define CTL_CHANGE_STEPS (TP_PACKET_SLOT_BYTES / 12 + 2)

struct ctl_change_step {
	uint32_t peer; // index of the peer record
	uint32_t created;
	uint64_t old_deadline_ns; // when not created
};

// What a move (control/alloc/mobility.h) had found.
struct ctl_change_move {
	struct tp_addr client; // of a move under way before, or family none
	uint32_t listener;     // index into the policy's
	uint8_t transport;
	struct tp_stream_client stream;
	uint8_t transaction_id[12];
	uint32_t ticket, wall_s;
};

struct ctl_change {
	struct tp_alloc_ref alloc;
	uint64_t first_sequence; // 0: no command was sent, answer at once
	uint64_t last_sequence;
	int result; // first refusal among the acknowledgements, else 0
	bool created_allocation;
	bool refreshed_allocation;
	bool moved_allocation;
	struct ctl_change_move old_move;
	uint64_t old_deadline_ns[2]; // of its families
	uint32_t old_lifetime_s;
	uint32_t steps;
	struct ctl_change_step step[CTL_CHANGE_STEPS];
};

void ctl_change_init(struct ctl_change *change);

// Notes one acknowledgement of the change's range. True when it was the last one: result is final.
bool ctl_change_ack(struct ctl_change *change, const struct tp_ack *ack);

// Takes back all that the change did, in the store and (as far as there is room for commands) in
// the dataplane. A change of an allocation that is gone or replaced since is nothing. Deletions are
// not taken back. Call it on a refused change, or on one whose handler failed half-way.
void ctl_change_rollback(struct ctl_store *store, struct ctl_change *change, struct ctl_time now);

// What every acknowledgement means for the store itself, whoever sent the command: counters of
// COUNTERS and ALLOC_DELETE go into the record's snapshot, a move that was completed (ALLOC_SET,
// TP_EVENT_MOVED) into its five-tuple. `of_change` says whether a ctl_change
// will deal with a refusal; otherwise (a synchronisation) an allocation that is refused, or unknown
// to the dataplane, ends.
void ctl_store_ack(
	struct ctl_store *store, const struct tp_ack *ack, bool of_change, struct ctl_time now);
