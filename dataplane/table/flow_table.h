// SPDX-License-Identifier: BSD-3-Clause
// The flow table: many lock-free readers (workers), one writer (the management thread).
// Buckets of 64 bytes hold eight {16-bit tag, 32-bit flow index}; a full bucket chains to an
// overflow bucket, entries never move, so a lookup never misses a flow that is there throughout.
#pragma once

#include <rte_rcu_qsbr.h>

#include "common/abi/memory.h"
#include "dataplane/table/flow.h"

#define DP_LOOKUP_BURST      64
#define DP_FLOW_CAPACITY_MAX (UINT32_C(1) << 28)

struct dp_flow_table;

// Capacity in flows (1 to DP_FLOW_CAPACITY_MAX); memory from rte_malloc on this socket (hugepages
// when EAL has them). The table draws a random hash secret. `qsbr` may be NULL when no reader runs
// beside the writer (freed at once then). Returns NULL with rte_errno EINVAL, ENOMEM or EIO.
struct dp_flow_table *dp_flow_table_create(
	uint32_t capacity, struct rte_rcu_qsbr *qsbr, int socket);
// No reader may be left.
void dp_flow_table_destroy(struct dp_flow_table *t);

// Workers (any reader thread registered with the qsbr). Looks n (<= DP_LOOKUP_BURST) keys up in
// passes; flows[i] is NULL on a miss. The pointers are valid until the reader's next quiescent
// state.
void dp_flow_lookup_bulk(const struct dp_flow_table *t, const struct dp_flow_key *const keys[],
	uint32_t n, struct dp_flow *flows[]);
struct dp_flow *dp_flow_lookup(const struct dp_flow_table *t, const struct dp_flow_key *key);

// ---- management thread only

// A free flow, zeroed, not yet visible; NULL when the table is full (also when freed flows still
// wait for readers: reclaimed first).
struct dp_flow *dp_flow_new(struct dp_flow_table *t);
// Gives back a flow that was never published.
void dp_flow_discard(struct dp_flow_table *t, struct dp_flow *flow);
// Publishes with a release store. -EEXIST when a flow with this key is there, -ENOSPC when no
// overflow bucket is left; the flow stays unpublished then.
int dp_flow_publish(struct dp_flow_table *t, struct dp_flow *flow);
// Swaps a published flow for a new one with the same key; the old one is freed through QSBR.
void dp_flow_replace(struct dp_flow_table *t, struct dp_flow *old, struct dp_flow *fresh);
// The same without the second half: the caller frees the old one (dp_flow_free).
void dp_flow_swap(struct dp_flow_table *t, struct dp_flow *old, struct dp_flow *fresh);
// Removes; freed when no reader can hold it any more.
void dp_flow_remove(struct dp_flow_table *t, struct dp_flow *flow);
// The same in two steps, for a writer that wants the flow's last counters: _unlink takes it out of
// the table and leaves the flow itself alone; _free queues it for reuse.
void dp_flow_unlink(struct dp_flow_table *t, struct dp_flow *flow);
void dp_flow_free(struct dp_flow_table *t, struct dp_flow *flow);
// Waits until no reader can hold what was unlinked before the call; false when some reader has not
// passed after about a millisecond.
bool dp_flow_settle(struct dp_flow_table *t);

// Flow indices run from 1 to the capacity. dp_flow_at is for an index that dp_flow_index gave.
uint32_t dp_flow_index(const struct dp_flow_table *t, const struct dp_flow *flow);
struct dp_flow *dp_flow_at(const struct dp_flow_table *t, uint32_t index);
// Published flows.
uint32_t dp_flow_count(const struct dp_flow_table *t);
uint32_t dp_flow_capacity(const struct dp_flow_table *t);
// Tells the memory of the table (common/abi/memory.h).
void dp_flow_table_memory(const struct dp_flow_table *t, struct tp_memory *out);
