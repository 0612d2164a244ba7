// SPDX-License-Identifier: BSD-3-Clause
#include <rte_prefetch.h>

#include "dataplane/table/flow_table_impl.h"

static inline bool key_equal(const struct dp_flow_key *a, const struct dp_flow_key *b)
{
	uint64_t x[3], y[3];
	static_assert(sizeof(x) == sizeof(*a));
	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2])) == 0;
}

// Walks the whole chain; the way of the writer and of keys that the passes did not settle.
struct dp_flow *dp_flow_find_hashed(
	const struct dp_flow_table *t, uint64_t hash, const struct dp_flow_key *key)
{
	uint16_t tag = dp_flow_tag(hash);
	uint32_t at = dp_flow_primary(t, hash);

	do {
		const struct dp_flow_bucket *b = &t->buckets[at];
		for (uint32_t hits = dp_bucket_match(b, tag); hits != 0; hits &= hits - 1) {
			uint32_t slot = (uint32_t)__builtin_ctz(hits) / 2;
			uint32_t index = atomic_load_explicit(&b->flow[slot], memory_order_acquire);
			if (index != 0 && key_equal(&t->flows[index].key, key))
				return &t->flows[index];
		}
		at = atomic_load_explicit(&b->chain, memory_order_acquire);
	} while (at != 0);
	return NULL;
}

struct dp_flow *dp_flow_lookup(const struct dp_flow_table *t, const struct dp_flow_key *key)
{
	return dp_flow_find_hashed(t, dp_flow_hash(&t->secret, key), key);
}

// First candidate in the primary bucket: its index, 0 when no tag matches there.
static inline uint32_t first_candidate(const struct dp_flow_bucket *b, uint16_t tag)
{
	uint32_t hits = dp_bucket_match(b, tag);
	if (hits == 0)
		return 0;
	return atomic_load_explicit(&b->flow[__builtin_ctz(hits) / 2], memory_order_acquire);
}

// Three passes, so that the misses of a burst overlap: hash and fetch buckets; match tags and fetch
// flows; compare keys. What the first candidate does not settle (a second tag match, a chain)
// walks.
void dp_flow_lookup_bulk(const struct dp_flow_table *t, const struct dp_flow_key *const keys[],
	uint32_t n, struct dp_flow *flows[])
{
	uint64_t hash[DP_LOOKUP_BURST];
	uint32_t index[DP_LOOKUP_BURST];

	for (uint32_t i = 0; i < n; i++) {
		hash[i] = dp_flow_hash(&t->secret, keys[i]);
		rte_prefetch0(&t->buckets[dp_flow_primary(t, hash[i])]);
	}
	for (uint32_t i = 0; i < n; i++) {
		index[i] = first_candidate(
			&t->buckets[dp_flow_primary(t, hash[i])], dp_flow_tag(hash[i]));
		rte_prefetch0(&t->flows[index[i]].key);
		__builtin_prefetch(&t->flows[index[i]].packets, 1, 3);
	}
	for (uint32_t i = 0; i < n; i++) {
		struct dp_flow *flow = &t->flows[index[i]];
		if (index[i] != 0 && key_equal(&flow->key, keys[i]))
			flows[i] = flow;
		else
			flows[i] = dp_flow_find_hashed(t, hash[i], keys[i]);
	}
}
