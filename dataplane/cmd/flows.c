// SPDX-License-Identifier: BSD-3-Clause
// The flows of an allocation: made, linked, counted, given their effective deadlines, removed.
#include <errno.h>

#include "common/wire/csum.h"
#include "dataplane/cmd/apply_impl.h"

static bool is_channel(const struct dp_flow *flow)
{
	return flow->kind == DP_FLOW_CHANNEL_UP || flow->kind == DP_FLOW_CHANNEL_DOWN;
}

struct dp_flow *dp_owned_new(struct dp_apply *a, const struct dp_alloc *alloc,
	const struct dp_flow_key *key, uint8_t kind)
{
	struct dp_flow *flow = dp_flow_new(a->flows);

	if (flow == NULL)
		return NULL;
	flow->key = *key;
	flow->kind = kind;
	flow->alloc = dp_alloc_ref_of(a, alloc);
	flow->sync_mark = a->sync_epoch;
	flow->owner = is_channel(flow) ? DP_OWNER_NONE : DP_OWNER_SHARED;
	flow->rate = alloc->rate;
	return flow;
}

void dp_flow_towards_client(
	struct dp_apply *a, const struct dp_alloc *alloc, struct dp_flow *flow, uint8_t flags)
{
	const struct dp_flow *client = dp_flow_at(a->flows, alloc->flow);

	flow->flags = flags | (alloc->pending != 0 ? DP_FLOW_MOVE : 0) |
		      (client->key.side == DP_KEY_STREAM ? DP_FLOW_STREAM : 0);
	memcpy(flow->dst_ip, client->key.ip, sizeof(flow->dst_ip));
	flow->dst_family = client->key.family;
	flow->dst_port = client->key.port;
	flow->src_port = client->src_port;
	flow->src_local = client->src_local;
}

// Addresses behind IPv4 ones are zero.
static uint32_t sum_of(const uint8_t ip[16], rte_be16_t port)
{
	return tp_sum_bytes(ip, 16) + port;
}

// flow.h: a checksum is what a sum lacks, so what comes in is added, what goes out is taken off.
static uint16_t sum_change(const struct dp_apply *a, const struct dp_flow *flow)
{
	bool up = flow->kind == DP_FLOW_CHANNEL_UP;
	uint16_t channel = rte_cpu_to_be_16(flow->channel), local = flow->key.local;
	rte_be16_t port = flow->key.selector;

	if (up)
		port = rte_cpu_to_be_16(dp_listener_at(a->locals, flow->key.local, &local)->port);
	uint32_t in = sum_of(flow->key.ip, flow->key.port) +
		      sum_of(dp_local_at(a->locals, local)->address.bytes, port);
	uint32_t out =
		sum_of(flow->dst_ip, flow->dst_port) +
		sum_of(dp_local_at(a->locals, flow->src_local)->address.bytes, flow->src_port);

	if (up)
		in += channel;
	else
		out += channel;
	return (uint16_t)tp_sum_fold(in + (tp_sum_fold(out) ^ UINT32_C(0xffff)));
}

// What a flow has besides its deadline when all else is in it. Those of stream clients have no UDP
// header on that side.
static void complete(struct dp_apply *a, struct dp_flow *flow)
{
	if (is_channel(flow) && flow->key.side != DP_KEY_STREAM &&
		flow->dst_family != TP_FAMILY_STREAM)
		flow->sum_change = sum_change(a, flow);
	dp_hops_hold(a, flow);
}

int dp_owned_publish(
	struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *flow, uint64_t own_deadline_ns)
{
	uint32_t index = dp_flow_index(a->flows, flow);

	dp_own_deadline_set(a, flow, own_deadline_ns);
	if (flow->kind == DP_FLOW_ALLOCATION && alloc->flow == 0)
		alloc->flow = index;
	dp_deadline_update(a, alloc, flow);
	complete(a, flow);
	int error = dp_flow_publish(a->flows, flow);
	if (error < 0) {
		dp_hops_release(a, flow);
		dp_flow_discard(a->flows, flow);
		return error;
	}
	flow->next = alloc->first;
	alloc->first = index;
	return 0;
}

static uint64_t count_of(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

// Which words of a flow count which direction: see path/account.h.
static void add_counts(const struct dp_flow *flow, struct tp_alloc_counters *sum)
{
	uint64_t packets = count_of(&flow->packets), bytes = count_of(&flow->bytes);
	uint64_t up_packets = count_of(&flow->up_packets), up_bytes = count_of(&flow->up_bytes);

	switch (flow->kind) {
	case DP_FLOW_CHANNEL_UP: // the second pair: workers other than the owner
		sum->up_packets += packets + up_packets;
		sum->up_bytes += bytes + up_bytes;
		break;
	case DP_FLOW_CHANNEL_DOWN:
		sum->down_packets += packets + up_packets;
		sum->down_bytes += bytes + up_bytes;
		break;
	case DP_FLOW_PERMISSION:
		sum->down_packets += packets;
		sum->down_bytes += bytes;
		sum->up_packets += up_packets;
		sum->up_bytes += up_bytes;
		break;
	}
}

// Ends an unlinked flow: its counts are kept, its next hops and its place given back.
static void finish(struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *flow)
{
	add_counts(flow, &alloc->gone);
	dp_hops_release(a, flow);
	dp_flow_free(a->flows, flow);
}

static void unchain(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_flow *flow)
{
	uint32_t index = dp_flow_index(a->flows, flow);
	uint32_t *link = &alloc->first;

	while (*link != index)
		link = &dp_flow_at(a->flows, *link)->next;
	*link = flow->next;
}

void dp_owned_remove(
	struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *const flows[], unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (flows[i] == NULL)
			continue;
		unchain(a, alloc, flows[i]);
		dp_flow_unlink(a->flows, flows[i]);
	}
	// A worker may be counting its last packet; after this none is.
	dp_flow_settle(a->flows);
	for (unsigned int i = 0; i < n; i++) {
		if (flows[i] != NULL)
			finish(a, alloc, flows[i]);
	}
}

// Flows that no table and no allocation knows any more, linked by `next`.
static void finish_chain(struct dp_apply *a, struct dp_alloc *alloc, uint32_t gone)
{
	if (gone != 0)
		dp_flow_settle(a->flows);
	while (gone != 0) {
		struct dp_flow *flow = dp_flow_at(a->flows, gone);
		gone = flow->next;
		finish(a, alloc, flow);
	}
}

void dp_owned_remove_client(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_flow *client)
{
	struct dp_flow_key key = client->key;
	uint32_t *link = &alloc->first, gone = 0;

	while (*link != 0) {
		struct dp_flow *flow = dp_flow_at(a->flows, *link);
		key.selector = flow->key.selector;
		if (memcmp(&flow->key, &key, sizeof(key)) != 0) {
			link = &flow->next;
			continue;
		}
		uint32_t index = *link;
		*link = flow->next;
		flow->next = gone;
		gone = index;
		dp_flow_unlink(a->flows, flow);
	}
	finish_chain(a, alloc, gone);
}

static bool is_downlink(const struct dp_flow *flow)
{
	return flow->kind == DP_FLOW_CHANNEL_DOWN || flow->kind == DP_FLOW_PERMISSION;
}

void dp_owned_mark_downlinks(struct dp_apply *a, const struct dp_alloc *alloc, bool moving)
{
	for (uint32_t at = alloc->first; at != 0;) {
		struct dp_flow *flow = dp_flow_at(a->flows, at);
		uint8_t flags = flow->flags & ~DP_FLOW_MOVE;
		at = flow->next;
		if (is_downlink(flow))
			atomic_store_explicit(&flow->flags, flags | (moving ? DP_FLOW_MOVE : 0),
				memory_order_relaxed);
	}
}

static bool leads_to(const struct dp_flow *flow, const struct dp_flow *client)
{
	if (!is_downlink(flow))
		return true;
	return flow->dst_port == client->key.port && flow->dst_family == client->key.family &&
	       flow->src_port == client->src_port && flow->src_local == client->src_local &&
	       memcmp(flow->dst_ip, client->key.ip, sizeof(flow->dst_ip)) == 0;
}

// The successor of a flow towards the client; NULL when the table is full.
static struct dp_flow *redirected(
	struct dp_apply *a, const struct dp_alloc *alloc, const struct dp_flow *old)
{
	struct dp_flow *fresh = dp_owned_new(a, alloc, &old->key, old->kind);

	if (fresh == NULL)
		return NULL;
	dp_flow_towards_client(a, alloc, fresh, old->flags & ~(DP_FLOW_MOVE | DP_FLOW_STREAM));
	fresh->channel = old->channel;
	fresh->sync_mark = old->sync_mark;
	fresh->deadline_ns = atomic_load_explicit(&old->deadline_ns, memory_order_relaxed);
	dp_own_deadline_set(a, fresh, dp_own_deadline(a, old));
	complete(a, fresh);
	return fresh;
}

bool dp_owned_redirect(struct dp_apply *a, struct dp_alloc *alloc)
{
	const struct dp_flow *client = dp_flow_at(a->flows, alloc->flow);

	for (;;) {
		uint32_t gone = 0;
		bool full = false;
		for (uint32_t *link = &alloc->first; *link != 0 && !full;) {
			struct dp_flow *old = dp_flow_at(a->flows, *link), *fresh = old;
			if (!leads_to(old, client)) {
				fresh = redirected(a, alloc, old);
				full = fresh == NULL;
				if (full)
					break;
				fresh->next = old->next;
				*link = dp_flow_index(a->flows, fresh);
				dp_flow_swap(a->flows, old, fresh);
				old->next = gone;
				gone = dp_flow_index(a->flows, old);
			}
			link = &fresh->next;
		}
		bool progress = gone != 0;
		finish_chain(a, alloc, gone);
		if (!full || !progress)
			return !full;
	}
}

void dp_owned_remove_all(struct dp_apply *a, struct dp_alloc *alloc, bool exact)
{
	for (uint32_t at = alloc->first; at != 0; at = dp_flow_at(a->flows, at)->next)
		dp_flow_unlink(a->flows, dp_flow_at(a->flows, at));
	if (exact)
		dp_flow_settle(a->flows);
	while (alloc->first != 0) {
		struct dp_flow *flow = dp_flow_at(a->flows, alloc->first);
		alloc->first = flow->next;
		finish(a, alloc, flow);
	}
}

void dp_owned_counters(
	const struct dp_apply *a, const struct dp_alloc *alloc, struct tp_alloc_counters *out)
{
	*out = alloc->gone;
	for (uint32_t at = alloc->first; at != 0; at = dp_flow_at(a->flows, at)->next)
		add_counts(dp_flow_at(a->flows, at), out);
}

uint64_t dp_own_deadline(const struct dp_apply *a, const struct dp_flow *flow)
{
	return a->own_deadline[dp_flow_index(a->flows, flow)];
}

void dp_own_deadline_set(struct dp_apply *a, const struct dp_flow *flow, uint64_t deadline_ns)
{
	a->own_deadline[dp_flow_index(a->flows, flow)] = deadline_ns;
}

// The peer's side of a channel flow, either direction, as the key of its permission.
static struct dp_flow_key permission_key(
	const struct dp_apply *a, const struct dp_alloc *alloc, const struct dp_flow *flow)
{
	struct dp_flow_key key = flow->key;

	if (flow->kind == DP_FLOW_CHANNEL_UP) {
		struct tp_ip ip = {.family = flow->dst_family};
		memcpy(ip.bytes, flow->dst_ip, sizeof(ip.bytes));
		struct dp_peer peer;
		// It was accepted once: family and relay are there.
		if (dp_peer_of(a, alloc, &ip, &peer) == 0)
			key = dp_key_peer(alloc, &peer, 0);
	}
	key.port = 0;
	return key;
}

// Which relayed address of its allocation a flow belongs to: that of the peer's family.
static unsigned int relayed_side(const struct dp_flow *flow)
{
	uint8_t family = flow->kind == DP_FLOW_CHANNEL_UP ? flow->dst_family : flow->key.family;

	return family == TP_FAMILY_IPV6;
}

void dp_deadline_update(struct dp_apply *a, const struct dp_alloc *alloc, struct dp_flow *flow)
{
	uint64_t effective = dp_own_deadline(a, flow);

	if (flow->kind != DP_FLOW_ALLOCATION) {
		effective = RTE_MIN(effective, a->own_deadline[alloc->flow]);
		effective = RTE_MIN(effective, alloc->family_deadline_ns[relayed_side(flow)]);
	}
	if (is_channel(flow)) {
		struct dp_flow_key key = permission_key(a, alloc, flow);
		const struct dp_flow *permission = dp_own_flow(a, alloc, &key);
		effective =
			permission == NULL ? 0 : RTE_MIN(effective, dp_own_deadline(a, permission));
	}
	if (atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed) != effective)
		atomic_store_explicit(&flow->deadline_ns, effective, memory_order_relaxed);
}
