// SPDX-License-Identifier: BSD-3-Clause
// What the lookup and the writer's side of the flow table share; nobody else includes it, but by
// flow_passes.h.
#pragma once

#include "dataplane/table/flow_bucket.h"
#include "dataplane/table/flow_hash.h"
#include "dataplane/table/flow_table.h"

// Freed but perhaps still held by a reader; linked in order of their tokens.
struct dp_retired {
	uint32_t first;
	uint32_t last;
};

struct dp_flow_table {
	// ---- read by workers, fixed after creation
	struct dp_flow_secret secret;
	struct dp_flow_bucket *buckets; // primary ones, then the overflow reserve
	struct dp_flow *flows;          // [0] is never used: 0 says empty
	uint32_t mask;                  // primary buckets - 1

	// ---- manager
	alignas(RTE_CACHE_LINE_SIZE) struct rte_rcu_qsbr *qsbr;
	uint32_t capacity;
	uint32_t count;
	uint32_t flow_fresh;             // first index never handed out
	uint32_t flow_free;              // list through `next`, 0 ends
	struct dp_retired flows_retired; // list through `next`, low half of the token in `bucket`
	uint32_t bucket_end;
	uint32_t bucket_fresh;
	uint32_t bucket_free; // list through `retired_next`
	struct dp_retired buckets_retired;
};

static inline uint32_t dp_flow_primary(const struct dp_flow_table *t, uint64_t hash)
{
	return (uint32_t)hash & t->mask;
}

struct dp_flow *dp_flow_find_hashed(
	const struct dp_flow_table *t, uint64_t hash, const struct dp_flow_key *key);

// table/reclaim.c, manager only. _retire queues what was just unlinked; _reclaim moves what no
// reader can hold any more to the free lists, at most `max` of each kind.
void dp_flow_retire(struct dp_flow_table *t, uint32_t flow);
void dp_bucket_retire(struct dp_flow_table *t, uint32_t bucket);
void dp_flow_reclaim(struct dp_flow_table *t, uint32_t max);
