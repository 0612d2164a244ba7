// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/table/flow_passes.h"

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
			if (index != 0 && dp_flow_key_equal(&t->flows[index].key, key))
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

// In passes, so that the misses of a burst overlap.
void dp_flow_lookup_bulk(const struct dp_flow_table *t, const struct dp_flow_key *const keys[],
	uint32_t n, struct dp_flow *flows[])
{
	uint64_t hash[DP_LOOKUP_BURST];
	uint32_t index[DP_LOOKUP_BURST];

	for (uint32_t i = 0; i < n; i++) {
		hash[i] = dp_flow_hash(&t->secret, keys[i]);
		rte_prefetch0(&t->buckets[dp_flow_primary(t, hash[i])]);
	}
	for (uint32_t i = 0; i < n; i++)
		index[i] = dp_flow_pass_match(t, hash[i]);
	for (uint32_t i = 0; i < n; i++)
		flows[i] = dp_flow_pass_settle(t, hash[i], index[i], keys[i]);
}
