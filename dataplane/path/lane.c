// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/lane_indication.h"
#include "dataplane/path/stage.h"
#include "dataplane/table/flow_passes.h"

// The flow of each; and its rate, which is looked at next.
void dp_lane_find(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint64_t now_ns)
{
	const struct dp_police_state *police =
		atomic_load_explicit(&w->dp->policing, memory_order_relaxed) ? w->dp->police : NULL;
	const struct dp_flow_table *flows = w->flows;
	uint32_t more = lane->more;

	for (uint32_t k = 0; k < lane->n; k++) {
		struct dp_flow *flow = dp_flow_pass_settle(
			flows, lane->hash[k], lane->index[k], &lane->key[k]);
		lane->flow[k] = flow;
		// A peer without a channel may have a permission.
		if (unlikely(!dp_lane_live(flow, now_ns)))
			more |= lane->packet[k].prefix;
		if (police != NULL && flow != NULL)
			__builtin_prefetch(&police[flow->alloc.index], 1, 3);
	}
	if (more != 0)
		dp_lane_ask_permissions(w, lane, burst, now_ns);
}

uint64_t dp_lane_run(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint16_t n, uint64_t now_ns)
{
	uint64_t start = rte_rdtsc();

	dp_lane_read(w, lane, burst, n);
	start = dp_stage_end(w, TP_COUNTER_cycles_read, start);
	dp_lane_find(w, lane, burst, now_ns);
	start = dp_stage_end(w, TP_COUNTER_cycles_find, start);
	dp_lane_relay(w, lane, burst, now_ns);
	return dp_stage_end(w, TP_COUNTER_cycles_relay, start);
}
