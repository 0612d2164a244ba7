// SPDX-License-Identifier: BSD-3-Clause
// A lookup as three passes over one key, inline: whoever has other work to do between them has the
// memory of each on its way meanwhile. Everybody else uses flow_table.h.
#pragma once

#include <rte_prefetch.h>

#include "dataplane/table/flow_table_impl.h"

static inline bool dp_flow_key_equal(const struct dp_flow_key *a, const struct dp_flow_key *b)
{
	uint64_t x[3], y[3];
	static_assert(sizeof(x) == sizeof(*a));
	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

// Hashes a key in three words, as dp_flow_hash does, and has the bucket fetched.
static inline uint64_t dp_flow_pass_hash(
	const struct dp_flow_table *t, uint64_t k0, uint64_t k1, uint64_t k2)
{
	uint64_t hash = dp_flow_hash_words(&t->secret, k0, k1, k2);

	rte_prefetch0(&t->buckets[dp_flow_primary(t, hash)]);
	return hash;
}

// The first flow of the bucket whose tag matches, 0 when there is none; has its lines fetched.
static inline uint32_t dp_flow_pass_match(const struct dp_flow_table *t, uint64_t hash)
{
	const struct dp_flow_bucket *b = &t->buckets[dp_flow_primary(t, hash)];
	uint32_t hits = dp_bucket_match(b, dp_flow_tag(hash));
	if (unlikely(hits == 0))
		return 0;
	uint32_t index =
		atomic_load_explicit(&b->flow[__builtin_ctz(hits) / 2], memory_order_acquire);

	rte_prefetch0(&t->flows[index].key);
	__builtin_prefetch(&t->flows[index].packets, 1, 3);
	return index;
}

// The flow of a key, or NULL. What the first candidate does not settle (a second tag match, a
// chain) walks; flow 0 has no packet's key.
static inline struct dp_flow *dp_flow_pass_settle(
	const struct dp_flow_table *t, uint64_t hash, uint32_t index, const struct dp_flow_key *key)
{
	struct dp_flow *flow = &t->flows[index];

	if (likely(dp_flow_key_equal(&flow->key, key)))
		return flow;
	return dp_flow_find_hashed(t, hash, key);
}
