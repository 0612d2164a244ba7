// SPDX-License-Identifier: BSD-3-Clause
// What our table is compared with: DPDK's rte_hash with lock-free read-write concurrency over the
// same keys, its data the same flows.
#pragma once

#include "dataplane/table/flow_table.h"

struct rte_hash;

// NULL with rte_errno set.
struct rte_hash *bench_hash_create(uint32_t capacity);
void bench_hash_destroy(struct rte_hash *hash);
// 0 or -errno. The flow is the data; it stays the caller's.
int bench_hash_add(struct rte_hash *hash, const struct dp_flow *flow);
// As dp_flow_lookup_bulk: all keys, then the flows' two lines are fetched.
void bench_hash_lookup_bulk(const struct rte_hash *hash, const struct dp_flow_key *const keys[],
	uint32_t n, struct dp_flow *flows[]);
