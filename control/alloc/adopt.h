// SPDX-License-Identifier: BSD-3-Clause
// Taking over the records of an earlier control, and bringing a dataplane in step with them.
// Nothing found in the region is trusted: no link, no count, no field (record.h).
#pragma once

#include "control/alloc/store.h"

// Why a record was dropped. CTL_DROP(name, text)
#define CTL_ADOPT_REASONS(X)                                                                       \
	X(TORN, "was being written")                                                               \
	X(LAYOUT, "unknown layout version")                                                        \
	X(STATE, "state or kind out of range")                                                     \
	X(IDENTITY, "its own index or generation is wrong")                                        \
	X(CLIENT, "client, its connection or listener makes no sense")                             \
	X(LISTENER, "listener is not configured any more")                                         \
	X(RELAY, "relayed address makes no sense or is not ours")                                  \
	X(REALM, "realm is not configured any more")                                               \
	X(MOBILITY, "where its client moves to makes no sense")                                    \
	X(USER, "user name is damaged")                                                            \
	X(DEADLINE, "deadline out of range")                                                       \
	X(EXPIRED, "expired meanwhile")                                                            \
	X(DUPLICATE_FIVE_TUPLE, "five-tuple belongs to another one")                               \
	X(DUPLICATE_RELAY, "relayed address belongs to another one")                               \
	X(DUPLICATE_UID, "unique id belongs to another one")                                       \
	X(ORPHAN, "its allocation is gone")                                                        \
	X(PEER, "peer address or channel number makes no sense")                                   \
	X(DUPLICATE_PEER, "peer or channel number is there twice")                                 \
	X(TOO_MANY, "more peers than an allocation may have")                                      \
	X(NO_PLACE, "the new region is smaller")

enum ctl_adopt_reason {
#define X(name, text) CTL_ADOPT_##name,
	CTL_ADOPT_REASONS(X)
#undef X
		CTL_ADOPT_REASON_COUNT,
};

const char *ctl_adopt_reason_text(enum ctl_adopt_reason reason);

struct ctl_adoption {
	uint32_t allocations, permissions, channels, resting; // taken over
	uint32_t dropped_allocations[CTL_ADOPT_REASON_COUNT];
	uint32_t dropped_peers[CTL_ADOPT_REASON_COUNT];
	uint32_t dropped_names;
};

// Scans the region, drops what is inconsistent (ports of dropped records rest), rebuilds all
// indexes, counts the attach in the header: one to three seconds for a million records, in which
// ctl_store_options.working is called. Sends no command: follow it with a ctl_sync.
// 0; -ENOMEM or -errno of the random source, and every record that is sound can be adopted by the
// next attempt, with another store. `report` may be NULL.
int ctl_store_adopt(struct ctl_store *store, struct ctl_time now, struct ctl_adoption *report);

// Before records meet a dataplane that says this instance: one that is not the run they were
// counted by counts from zero, so what was read before is carried. ctl_store_adopt and
// ctl_store_move do it themselves.
void ctl_store_count_anew(struct ctl_store *store);

// A restarted dataplane brings a new region of which nothing but the header was written: copies
// header state (ids, nonce keys) and all records over, index by index, and works on it from now on;
// the old region may be unmapped afterwards. `region_fd`: as in struct ctl_store_options. No change
// may be pending (ctl_turn_detach). 0; -EINVAL header; -ENOMEM: the store stays on the old region.
// Follow it with a ctl_sync.
int ctl_store_move(struct ctl_store *store, void *region, size_t region_bytes, int region_fd,
	struct ctl_time now, struct ctl_adoption *report);

// SYNC_BEGIN, every live object as a SET, SYNC_END: idempotent, so it serves a living dataplane and
// an empty one. Ordinary commands may be sent between the steps.
struct ctl_sync {
	uint32_t phase;
	uint32_t index; // next allocation
	uint32_t pad;
	uint64_t end_sequence; // of SYNC_END once sent, else 0
};

// Whether a roll-back could not tell the dataplane all, so that it holds more than the store. True
// once: the caller then starts a ctl_sync.
bool ctl_store_resync_due(struct ctl_store *store);

// Starts (over) at the beginning. A new attach while one is under way: start again.
void ctl_sync_start(struct ctl_sync *sync);

// Sends as many commands as there is room for, and keeps `reserve` places free for requests. One
// allocation goes as a whole: the sink must be able to offer CTL_PEERS_PER_ALLOCATION + 1 +
// reserve. True when SYNC_END was sent.
bool ctl_sync_step(
	struct ctl_store *store, struct ctl_sync *sync, struct ctl_time now, uint32_t reserve);
