// SPDX-License-Identifier: BSD-3-Clause
// From what a command names to what the tables hold: allocations, peers, keys.
#include <errno.h>

#include "dataplane/cmd/apply_impl.h"

int dp_alloc_find(struct dp_apply *a, const struct tp_alloc_ref *ref, struct dp_alloc **out)
{
	if (ref->index >= a->capacity || ref->generation == 0)
		return -EINVAL;
	struct dp_alloc *alloc = &a->allocs[ref->index];
	if (alloc->generation == 0)
		return -ENOENT;
	if (alloc->generation != ref->generation)
		return -ESTALE;
	*out = alloc;
	return 0;
}

struct tp_alloc_ref dp_alloc_ref_of(const struct dp_apply *a, const struct dp_alloc *alloc)
{
	return (struct tp_alloc_ref){
		.index = (uint32_t)(alloc - a->allocs), .generation = alloc->generation};
}

int dp_ip_clean(const struct tp_ip *in, struct tp_ip *out)
{
	size_t length = tp_ip_length(in);

	if (length == 0)
		return -EINVAL;
	*out = (struct tp_ip){.family = in->family};
	memcpy(out->bytes, in->bytes, length);
	return 0;
}

int dp_peer_of(const struct dp_apply *a, const struct dp_alloc *alloc, const struct tp_ip *ip,
	struct dp_peer *out)
{
	*out = (struct dp_peer){0};
	if (dp_ip_clean(ip, &out->key) < 0)
		return -EINVAL;
	out->side = out->key.family == TP_FAMILY_IPV6;
	if (alloc->relay_local[out->side] == DP_LOCAL_NONE)
		return -EINVAL;
	out->destination = out->key;

	uint16_t index = dp_local_find_public(a->locals, &out->key);
	if (index == DP_LOCAL_NONE)
		return 0;
	const struct dp_local *local = dp_local_at(a->locals, index);
	if (local->relay) {
		out->key = local->public_address;
		out->destination = local->address;
		out->flags |= DP_FLOW_HAIRPIN;
	}
	if (local->listener)
		out->flags |= DP_FLOW_DENIED;
	return 0;
}

struct dp_flow_key dp_key_client(
	const struct dp_apply *a, const struct dp_alloc *alloc, uint16_t channel)
{
	struct dp_flow_key key = dp_flow_at(a->flows, alloc->flow)->key;
	key.selector = channel;
	return key;
}

struct dp_flow_key dp_key_pending(
	const struct dp_apply *a, const struct dp_alloc *alloc, uint16_t channel)
{
	struct dp_flow_key key = dp_flow_at(a->flows, alloc->pending)->key;
	key.selector = channel;
	return key;
}

struct dp_flow_key dp_key_peer(
	const struct dp_alloc *alloc, const struct dp_peer *peer, rte_be16_t port)
{
	struct dp_flow_key key = {
		.port = port,
		.local = alloc->relay_local[peer->side],
		.selector = alloc->relay_port[peer->side],
		.side = DP_KEY_PEER,
		.family = peer->key.family,
	};
	memcpy(key.ip, peer->key.bytes, sizeof(key.ip));
	return key;
}

struct dp_flow *dp_own_flow(
	const struct dp_apply *a, const struct dp_alloc *alloc, const struct dp_flow_key *key)
{
	struct dp_flow *flow = dp_flow_lookup(a->flows, key);

	if (flow == NULL || flow->alloc.index != (uint32_t)(alloc - a->allocs))
		return NULL;
	return flow;
}
