// SPDX-License-Identifier: BSD-3-Clause
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_prefetch.h>

#include "bench/micro/hash_variant.h"

struct rte_hash *bench_hash_create(uint32_t capacity)
{
	struct rte_hash_parameters parameters = {
		.name = "bench_flows",
		.entries = capacity,
		.key_len = sizeof(struct dp_flow_key),
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};
	return rte_hash_create(&parameters);
}

void bench_hash_destroy(struct rte_hash *hash)
{
	rte_hash_free(hash);
}

int bench_hash_add(struct rte_hash *hash, const struct dp_flow *flow)
{
	return rte_hash_add_key_data(hash, &flow->key, (void *)(uintptr_t)flow);
}

void bench_hash_lookup_bulk(const struct rte_hash *hash, const struct dp_flow_key *const keys[],
	uint32_t n, struct dp_flow *flows[])
{
	const void *raw[DP_LOOKUP_BURST];
	uint64_t hits = 0;

	for (uint32_t i = 0; i < n; i++)
		raw[i] = keys[i];
	rte_hash_lookup_bulk_data(hash, raw, n, &hits, (void **)flows);
	for (uint32_t i = 0; i < n; i++) {
		if (!(hits >> i & 1)) {
			flows[i] = NULL;
			continue;
		}
		rte_prefetch0(flows[i]);
		__builtin_prefetch(&flows[i]->packets, 1, 3);
	}
}
