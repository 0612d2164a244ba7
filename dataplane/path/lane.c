// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/lane_indication.h"
#include "dataplane/path/stage.h"

static void find(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint64_t now_ns)
{
	const struct dp_flow_key *key[DP_BURST];

	for (uint32_t k = 0; k < lane->n; k++)
		key[k] = &lane->key[k];
	dp_flow_lookup_bulk(w->flows, key, lane->n, lane->flow);
	dp_lane_ask_permissions(w, lane, burst, now_ns);
	if (!atomic_load_explicit(&w->dp->policing, memory_order_relaxed))
		return;
	for (uint32_t k = 0; k < lane->n; k++) {
		if (lane->flow[k] != NULL)
			__builtin_prefetch(&w->dp->police[lane->flow[k]->alloc.index], 1, 3);
	}
}

uint64_t dp_lane_run(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint16_t n, uint64_t now_ns)
{
	uint64_t start = rte_rdtsc();

	dp_lane_read(w, lane, burst, n);
	start = dp_stage_end(w, TP_COUNTER_cycles_read, start);
	find(w, lane, burst, now_ns);
	start = dp_stage_end(w, TP_COUNTER_cycles_find, start);
	dp_lane_relay(w, lane, burst, now_ns);
	return dp_stage_end(w, TP_COUNTER_cycles_relay, start);
}
