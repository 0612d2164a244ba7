// SPDX-License-Identifier: BSD-3-Clause
// Points at which control can be killed, by name: what it is doing, and what it does next. The
// product has no hooks for it: control is compiled once more with a compiler that announces every
// store (stores.c), and what a store means is read off from where in the region it goes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What control is doing.
#define FAULT_OPS(X)                                                                               \
	X(adopt) /* takes over the region, and whatever of the start comes with it */              \
	X(renew) /* moves its records into the region of a new dataplane */                        \
	X(sync)  /* tells the dataplane all */                                                     \
	X(allocate)                                                                                \
	X(permit)                                                                                  \
	X(bind)                                                                                    \
	X(refresh)                                                                                 \
	X(delete)                                                                                  \
	X(move)   /* RFC 8016 */                                                                   \
	X(arrive) /* hears that a client has moved */                                              \
	X(undo)   /* takes back what the dataplane refused, or never answered */                   \
	X(expire)                                                                                  \
	X(count) /* reads counters */                                                              \
	X(tick)  /* housekeeping: nonce keys */

enum fault_op {
	FAULT_NOTHING,
#define X(name) FAULT_##name,
	FAULT_OPS(X)
#undef X
		FAULT_OPS_END,
};

// What comes next: a store into a record, by field, or a step over the boundary of the process.
#define FAULT_STEPS(X)                                                                             \
	X(record_begun)                                                                            \
	X(record_state)                                                                            \
	X(record_identity)                                                                         \
	X(record_deadline)                                                                         \
	X(record_client)                                                                           \
	X(record_relay)                                                                            \
	X(record_links)                                                                            \
	X(record_counters)                                                                         \
	X(record_user)                                                                             \
	X(record_reservation)                                                                      \
	X(record_ticket)                                                                           \
	X(record_place)  /* where the client moves to */                                           \
	X(record_before) /* the same of the move before */                                         \
	X(record_written)                                                                          \
	X(peer_begun)                                                                              \
	X(peer_state)                                                                              \
	X(peer_owner)                                                                              \
	X(peer_link)                                                                               \
	X(peer_deadline)                                                                           \
	X(peer_address)                                                                            \
	X(peer_written)                                                                            \
	X(name_begun)                                                                              \
	X(name_body)                                                                               \
	X(name_written)                                                                            \
	X(header_uid)                                                                              \
	X(header_keys)                                                                             \
	X(journal)                                                                                 \
	X(header_other)                                                                            \
	X(command_sent) /* into the ring, not yet published */                                     \
	X(published)    /* the dataplane sees the commands */                                      \
	X(ack_taken)                                                                               \
	X(answered)

enum fault_step {
#define X(name) FAULT_##name,
	FAULT_STEPS(X)
#undef X
		FAULT_STEPS_END,
};

const char *fault_op_name(enum fault_op op);
const char *fault_step_name(enum fault_step step);

// The points of points.def. "Listed" means that the campaign must have killed there.
bool fault_listed(enum fault_op op, enum fault_step step);
size_t fault_points(void);
void fault_point(size_t index, enum fault_op *op, enum fault_step *step);

#define FAULT_EXIT_KILLED 77
#define FAULT_EXIT_LEAK   78

// In memory that control and the harness share.
struct fault_plan {
	// Kill at the passage with this number (from 1; 0: not), or at the n-th passage of a point.
	uint64_t kill_at;
	uint8_t kill_op, kill_step; // FAULT_NOTHING: not by name
	uint32_t kill_skip;
	uint64_t fail_at;      // the allocation that fails (from 1; 0: none)
	uint64_t fail_call_at; // the system call that does: mmap, fcntl, fstat
	bool fail_random;      // the random source fails

	uint64_t passages, allocations, calls;
	uint64_t failed; // how many allocations and calls did
	uint8_t killed_op, killed_step;
	uint32_t passed[FAULT_OPS_END][FAULT_STEPS_END];
	uint32_t killed[FAULT_OPS_END][FAULT_STEPS_END];
};

// Control's side. From now on stores into this region are looked at; NULL: no more.
void fault_watch(struct fault_plan *plan, void *region, size_t bytes);
// What follows belongs to this; returns what was before.
enum fault_op fault_doing(enum fault_op op);
// A step that is no store into the region.
void fault_pass(enum fault_step step);
