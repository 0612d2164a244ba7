// SPDX-License-Identifier: BSD-3-Clause
// TCP allocations (RFC 6062): the connections with peers ("far" ones) by their CONNECTION-IDs, and
// what stream processes do for them and tell of them (common/abi/stream.h). For the files of
// control/turn only; turn.h has what others call. Everything here may be lost with control: the
// processes tell the next one.
#pragma once

#include "control/turn/turn_private.h"

struct ctl_far {
	struct ctl_far *next;       // of the bucket of its id
	struct ctl_far *alloc_next; // of the bucket of its allocation
	uint32_t id;
	uint32_t stream; // the process that has the peer's socket
	struct tp_alloc_ref alloc;
	struct tp_stream_client owner; // control connection
	struct tp_addr relay; // private form, as processes know addresses
	struct tp_addr peer;  // public form, as clients do
	uint8_t transaction_id[12];      // of the Connect; zero: the peer came
	uint8_t state;                   // enum tp_stream_far_state
	struct ctl_transaction *connect; // is answered when it is connected
	struct ctl_transaction *bind;    // is answered when it was handed over
};

// Connections of one allocation, whatever their state.
#define CTL_FARS_PER_ALLOCATION 64

struct ctl_far *ctl_far_find(const struct ctl_turn *turn, uint32_t id);
// That of an allocation with a peer, or NULL.
struct ctl_far *ctl_far_of_peer(
	const struct ctl_turn *turn, struct tp_alloc_ref alloc, const struct tp_addr *peer);
uint32_t ctl_far_count(const struct ctl_turn *turn, struct tp_alloc_ref alloc);
// A number that none has; 0 without randomness.
uint32_t ctl_far_draw(struct ctl_turn *turn);
// Copies `far`, whose id is free. NULL without memory.
struct ctl_far *ctl_far_add(struct ctl_turn *turn, const struct ctl_far *far);
void ctl_far_remove(struct ctl_turn *turn, struct ctl_far *far);
// The first one of an allocation (`after` NULL), or the next one. It may be removed meanwhile if
// the next one was asked for before.
struct ctl_far *ctl_far_next(
	const struct ctl_turn *turn, struct tp_alloc_ref alloc, const struct ctl_far *after);

// All of them; `each` may remove the one that it is given.
void ctl_far_each(struct ctl_turn *turn,
	void (*each)(struct ctl_turn *turn, struct ctl_far *far, void *context), void *context);

// ---- over_tcp.c

// Has the stream process of the request listen on the relayed addresses of a new allocation. The
// success response waits for its answer. 508 when it cannot be asked.
enum stun_err ctl_over_tcp_listen(struct ctl_transaction *t, const struct tp_alloc_record *record);
// Tells the process something about one connection. False: it is away, or does not keep up.
bool ctl_far_tell(struct ctl_turn *turn, enum tp_stream_note_kind kind, uint32_t stream,
	const struct ctl_far *far);
// Ends one here, and in its process.
void ctl_far_close(struct ctl_turn *turn, struct ctl_far *far);
// Binds it to the connection of the request, whose process has it, and answers by that. 508 when it
// cannot be told.
enum stun_err ctl_far_bind(struct ctl_transaction *t, struct ctl_far *far);
// Answers a Connect with the number of its connection.
void ctl_far_connected(struct ctl_transaction *t, const struct ctl_far *far);
