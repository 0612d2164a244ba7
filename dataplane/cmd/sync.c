// SPDX-License-Identifier: BSD-3-Clause
// SYNC_BEGIN, SYNC_END: mark and sweep. Every SET marks with the current epoch; outside of a sync
// all that lives carries it, so a sync that was never ended leaves nothing behind.
#include <errno.h>

#include "dataplane/cmd/apply_impl.h"

int dp_sync_begin(struct dp_apply *a)
{
	a->sync_epoch++;
	a->sync_open = true;
	return 0;
}

// The next flow from `at` on that this sync did not name.
static struct dp_flow *unmarked(const struct dp_apply *a, uint32_t at, uint8_t kind)
{
	while (at != 0) {
		struct dp_flow *flow = dp_flow_at(a->flows, at);
		if (flow->kind == kind && flow->sync_mark != a->sync_epoch)
			return flow;
		at = flow->next;
	}
	return NULL;
}

static uint64_t sweep_flows(struct dp_apply *a, struct dp_alloc *alloc)
{
	struct dp_flow *flow;
	uint64_t deleted = 0;

	while ((flow = unmarked(a, alloc->first, DP_FLOW_CHANNEL_DOWN)) != NULL) {
		dp_channel_drop(a, alloc, flow);
		deleted++;
	}
	while ((flow = unmarked(a, alloc->first, DP_FLOW_PERMISSION)) != NULL) {
		dp_permission_drop(a, alloc, flow);
		deleted++;
	}
	return deleted;
}

int dp_sync_end(struct dp_apply *a, struct tp_ack *ack)
{
	if (!a->sync_open)
		return -EINVAL;
	a->sync_open = false;
	for (uint32_t i = 0; i < a->end; i++) {
		struct dp_alloc *alloc = &a->allocs[i];
		if (alloc->generation == 0)
			continue;
		if (alloc->sync_mark == a->sync_epoch) {
			ack->deleted += sweep_flows(a, alloc);
			continue;
		}
		uint64_t before = a->n_allocations + a->n_permissions + a->n_channels;
		dp_alloc_drop(a, alloc, false);
		ack->deleted += before - (a->n_allocations + a->n_permissions + a->n_channels);
	}
	return 0;
}
