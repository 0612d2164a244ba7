// SPDX-License-Identifier: BSD-3-Clause
// Next hops of flows: held while a flow lives, chosen anew in slices after a route change.
#include "dataplane/cmd/apply_impl.h"
#include "dataplane/net/net.h"

uint16_t dp_hop_hold(const struct dp_apply *a, const struct tp_ip *dst)
{
	return a->dp->net == NULL ? DP_NEXT_HOP_NONE : dp_net_hold(a->dp->net, dst);
}

void dp_hop_release(const struct dp_apply *a, uint16_t next_hop)
{
	if (next_hop != DP_NEXT_HOP_NONE)
		dp_net_release(a->dp->net, next_hop);
}

static struct tp_ip ip_of(uint8_t family, const uint8_t bytes[16])
{
	struct tp_ip ip = {.family = family};
	memcpy(ip.bytes, bytes, sizeof(ip.bytes));
	return ip;
}

// Where `next_hop` of a flow leads. An allocation's goes to its client; its destination words hold
// the relayed addresses. False: nowhere, the packet stays inside or goes to a stream process.
static bool destination_of(const struct dp_flow *flow, struct tp_ip *out)
{
	if (flow->kind == DP_FLOW_ALLOCATION)
		*out = ip_of(flow->key.family, flow->key.ip);
	else
		*out = ip_of(flow->dst_family, flow->dst_ip);
	return out->family != TP_FAMILY_STREAM &&
	       !(flow->kind == DP_FLOW_CHANNEL_UP && (flow->flags & DP_FLOW_HAIRPIN));
}

static bool peer_of(const struct dp_flow *flow, struct tp_ip *out)
{
	*out = ip_of(flow->key.family, flow->key.ip);
	return flow->kind == DP_FLOW_PERMISSION && !(flow->flags & DP_FLOW_HAIRPIN);
}

// Takes the new one before it gives the old one back, so that an unchanged entry never dies.
static void renew(const struct dp_apply *a, _Atomic uint16_t *word, const struct tp_ip *dst)
{
	uint16_t old = atomic_load_explicit(word, memory_order_relaxed);
	uint16_t fresh = dp_hop_hold(a, dst);

	if (fresh != old)
		atomic_store_explicit(word, fresh, memory_order_relaxed);
	dp_hop_release(a, old);
}

void dp_hops_hold(const struct dp_apply *a, struct dp_flow *flow)
{
	struct tp_ip dst;

	if (destination_of(flow, &dst))
		renew(a, &flow->next_hop, &dst);
	if (peer_of(flow, &dst))
		renew(a, &flow->peer_next_hop, &dst);
}

void dp_hops_release(const struct dp_apply *a, struct dp_flow *flow)
{
	dp_hop_release(a, atomic_load_explicit(&flow->next_hop, memory_order_relaxed));
	if (flow->kind == DP_FLOW_PERMISSION)
		dp_hop_release(a, atomic_load_explicit(&flow->peer_next_hop, memory_order_relaxed));
}

bool dp_apply_resolve_slice(struct dp_apply *a, uint32_t max)
{
	uint32_t done = 0;

	if (a->dp->net == NULL)
		return false;
	// A route change during the walk starts it again: entries behind it may be old.
	if (dp_net_generation(a->dp->net) != a->route_target) {
		a->route_target = dp_net_generation(a->dp->net);
		a->resolve_next = 0;
	}
	while (a->resolve_next < a->end && done < max) {
		const struct dp_alloc *alloc = &a->allocs[a->resolve_next++];
		uint32_t at = alloc->generation == 0 ? 0 : alloc->first;
		for (; at != 0; at = dp_flow_at(a->flows, at)->next) {
			dp_hops_hold(a, dp_flow_at(a->flows, at));
			done++;
		}
	}
	if (a->resolve_next < a->end)
		return true;
	a->resolve_next = UINT32_MAX;
	return false;
}
