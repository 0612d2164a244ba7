// SPDX-License-Identifier: BSD-3-Clause
#include "bench/core/switch.h"
#include "bench/micro/hash_variant.h"

static const struct rte_hash *chosen; // the wrapped function has no context to carry it

void bench_switch_to(const struct rte_hash *hash)
{
	chosen = hash;
}

void __real_dp_flow_lookup_bulk(const struct dp_flow_table *t,
	const struct dp_flow_key *const keys[], uint32_t n, struct dp_flow *flows[]);
void __wrap_dp_flow_lookup_bulk(const struct dp_flow_table *t,
	const struct dp_flow_key *const keys[], uint32_t n, struct dp_flow *flows[]);

void __wrap_dp_flow_lookup_bulk(const struct dp_flow_table *t,
	const struct dp_flow_key *const keys[], uint32_t n, struct dp_flow *flows[])
{
	if (chosen == NULL)
		__real_dp_flow_lookup_bulk(t, keys, n, flows);
	else
		bench_hash_lookup_bulk(chosen, keys, n, flows);
}
