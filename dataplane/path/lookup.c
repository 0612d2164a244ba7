// SPDX-License-Identifier: BSD-3-Clause
// Gathers the keys of a batch, looks them up together so that the memory waits overlap.
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"

static_assert(DP_BURST <= DP_LOOKUP_BURST);

// The buckets of the allocations (path/within_rate.h), so that those waits overlap too.
static void prefetch_buckets(const struct dp *dp, struct dp_flow *const flow[], uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (flow[i] != NULL)
			__builtin_prefetch(&dp->police[flow[i]->alloc.index], 1, 3);
	}
}

void dp_step_lookup(struct dp_worker *w, struct dp_batch *b, uint32_t verdicts)
{
	const struct dp_flow_key *key[DP_BURST];
	struct dp_flow *flow[DP_BURST];
	uint8_t at[DP_BURST];
	uint32_t n = 0;

	if ((b->seen & verdicts) == 0)
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (DP_VERDICT_BIT(b->packet[i].verdict) & verdicts) {
			key[n] = &b->packet[i].key;
			at[n++] = (uint8_t)i;
		}
	}
	if (n == 0)
		return;
	dp_flow_lookup_bulk(w->flows, key, n, flow);
	for (uint32_t i = 0; i < n; i++)
		b->packet[at[i]].flow = flow[i];
	if (atomic_load_explicit(&w->dp->policing, memory_order_relaxed))
		prefetch_buckets(w->dp, flow, n);
}
