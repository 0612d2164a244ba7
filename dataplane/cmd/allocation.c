// SPDX-License-Identifier: BSD-3-Clause
// ALLOC_SET, ALLOC_DELETE, COUNTERS.
#include <errno.h>

#include "dataplane/cmd/apply_impl.h"

// Rounded up, so that a small rate is not "unlimited".
static uint64_t rate_word(const struct tp_cmd_alloc *wish)
{
	uint64_t bytes = wish->rate_bytes_per_s;
	uint64_t kbytes = bytes / 1000 + (bytes % 1000 != 0);
	uint64_t packets = wish->rate_packets_per_s;
	return DP_RATE(
		RTE_MIN(kbytes, (uint64_t)UINT32_MAX), RTE_MIN(packets, (uint64_t)UINT32_MAX));
}

static int find_listener(
	const struct dp_apply *a, const struct tp_addr *address, struct dp_alloc *alloc)
{
	uint16_t local = dp_local_find(a->locals, address->ip.family, address->ip.bytes);

	if (local == DP_LOCAL_NONE)
		return -EADDRNOTAVAIL;
	alloc->listener_local = local;
	alloc->listener = dp_listener_find(a->locals, local, rte_cpu_to_be_16(address->port));
	return alloc->listener == DP_LISTENER_NONE ? -EADDRNOTAVAIL : 0;
}

static int find_relay(
	const struct dp_apply *a, const struct tp_addr *address, struct dp_alloc *alloc)
{
	unsigned int side = address->ip.family == TP_FAMILY_IPV6;
	uint16_t local = dp_local_find(a->locals, address->ip.family, address->ip.bytes);
	rte_be16_t port = rte_cpu_to_be_16(address->port);

	if (local == DP_LOCAL_NONE || !dp_local_at(a->locals, local)->relay ||
		!dp_local_relay_port(a->locals, port) ||
		dp_listener_find(a->locals, local, port) != DP_LISTENER_NONE)
		return -EADDRNOTAVAIL;
	alloc->relay_local[side] = local;
	alloc->relay_port[side] = port;
	return 0;
}

// What the command asks for, checked, as a new allocation would look.
static int describe(const struct dp_apply *a, const struct tp_cmd *cmd, struct dp_alloc *out)
{
	const struct tp_cmd_alloc *wish = &cmd->allocation;
	int error;

	*out = (struct dp_alloc){
		.generation = cmd->alloc.generation,
		.rate = rate_word(wish),
		.relay_local = {DP_LOCAL_NONE, DP_LOCAL_NONE},
		.sync_mark = a->sync_epoch,
	};
	for (unsigned int side = 0; side < 2; side++)
		out->family_deadline_ns[side] = wish->family_deadline_ns[side]
							? wish->family_deadline_ns[side]
							: cmd->deadline_ns;
	if (tp_ip_length(&wish->client.ip) == 0 || wish->client.port == 0 ||
		wish->client.ip.family != wish->listener.ip.family ||
		tp_ip_length(&wish->relay[0].ip) == 0)
		return -EINVAL;
	error = find_listener(a, &wish->listener, out);
	if (error == 0)
		error = find_relay(a, &wish->relay[0], out);
	if (error < 0 || wish->relay[1].ip.family == TP_FAMILY_NONE)
		return error;
	if (tp_ip_length(&wish->relay[1].ip) == 0 ||
		wish->relay[1].ip.family == wish->relay[0].ip.family)
		return -EINVAL;
	return find_relay(a, &wish->relay[1], out);
}

static struct dp_flow_key client_key(const struct tp_addr *client, uint16_t listener)
{
	struct dp_flow_key key = {
		.port = rte_cpu_to_be_16(client->port),
		.local = listener,
		.side = DP_KEY_CLIENT,
		.family = client->ip.family,
	};
	memcpy(key.ip, client->ip.bytes, tp_ip_length(&client->ip));
	return key;
}

// A new allocation's buckets are full.
static void begin_policing(struct dp_apply *a, const struct dp_alloc *alloc)
{
	struct dp_police_state *police = &a->dp->police[alloc - a->allocs];

	if (alloc->rate == 0)
		return;
	atomic_store_explicit(&police->up.bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&police->up.packets, 0, memory_order_relaxed);
	atomic_store_explicit(&police->down.bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&police->down.packets, 0, memory_order_relaxed);
	atomic_store_explicit(&a->dp->policing, true, memory_order_relaxed);
}

static int create(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_alloc *wish,
	const struct dp_flow_key *key, uint64_t deadline_ns)
{
	*alloc = *wish;
	begin_policing(a, alloc);
	struct dp_flow *flow = dp_owned_new(a, alloc, key, DP_FLOW_ALLOCATION);
	int error = -ENOSPC;
	if (flow != NULL) {
		uint16_t local;
		for (unsigned int side = 0; side < 2; side++)
			atomic_init(&flow->relay_local[side], alloc->relay_local[side]);
		memcpy(flow->relay_port, alloc->relay_port, sizeof(flow->relay_port));
		flow->src_local = alloc->listener_local;
		flow->src_port =
			rte_cpu_to_be_16(dp_listener_at(a->locals, alloc->listener, &local)->port);
		flow->dst_port = key->port;
		flow->dst_family = key->family;
		error = dp_owned_publish(a, alloc, flow, deadline_ns);
	}
	if (error < 0) {
		*alloc = (struct dp_alloc){0};
		return error;
	}
	a->n_allocations++;
	a->end = RTE_MAX(a->end, (uint32_t)(alloc - a->allocs) + 1);
	return 0;
}

void dp_alloc_close_family(struct dp_apply *a, struct dp_alloc *alloc, unsigned int side)
{
	uint16_t local = alloc->relay_local[side];
	rte_be16_t port = alloc->relay_port[side];

	for (uint32_t at = alloc->first; at != 0;) {
		struct dp_flow *flow = dp_flow_at(a->flows, at);
		bool peer_side =
			flow->kind == DP_FLOW_CHANNEL_DOWN || flow->kind == DP_FLOW_PERMISSION;
		at = flow->next;
		if (!peer_side || flow->key.local != local || flow->key.selector != port)
			continue;
		if (flow->kind == DP_FLOW_PERMISSION)
			dp_permission_drop(a, alloc, flow);
		else
			dp_channel_drop(a, alloc, flow);
		at = alloc->first; // the other direction may have been the next one
	}
	atomic_store_explicit(&dp_flow_at(a->flows, alloc->flow)->relay_local[side], DP_LOCAL_NONE,
		memory_order_relaxed);
	alloc->relay_local[side] = DP_LOCAL_NONE;
	alloc->relay_port[side] = 0;
	// A worker may have read it for a Send: the address may be another allocation's next.
	dp_flow_settle(a->flows);
}

// Deadlines and rate are all that may change of what stays; flows are touched only where they
// differ.
static void update(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_alloc *wish,
	uint64_t deadline_ns)
{
	bool deadline = a->own_deadline[alloc->flow] != deadline_ns ||
			memcmp(alloc->family_deadline_ns, wish->family_deadline_ns,
				sizeof(alloc->family_deadline_ns)) != 0;
	bool rate = alloc->rate != wish->rate;

	alloc->sync_mark = a->sync_epoch;
	alloc->rate = wish->rate;
	if (rate)
		begin_policing(a, alloc);
	a->own_deadline[alloc->flow] = deadline_ns;
	memcpy(alloc->family_deadline_ns, wish->family_deadline_ns,
		sizeof(alloc->family_deadline_ns));
	for (unsigned int side = 0; side < 2; side++)
		if (alloc->relay_local[side] != DP_LOCAL_NONE &&
			wish->relay_local[side] == DP_LOCAL_NONE)
			dp_alloc_close_family(a, alloc, side);
	if (!deadline && !rate)
		return;
	for (uint32_t at = alloc->first; at != 0;) {
		struct dp_flow *flow = dp_flow_at(a->flows, at);
		if (rate)
			atomic_store_explicit(&flow->rate, wish->rate, memory_order_relaxed);
		if (deadline)
			dp_deadline_update(a, alloc, flow);
		at = flow->next;
	}
}

// Relayed addresses may go, but not come or change.
static bool same_addresses(const struct dp_apply *a, const struct dp_alloc *have,
	const struct dp_alloc *wish, const struct dp_flow_key *key)
{
	for (unsigned int side = 0; side < 2; side++)
		if (wish->relay_local[side] != DP_LOCAL_NONE &&
			(wish->relay_local[side] != have->relay_local[side] ||
				wish->relay_port[side] != have->relay_port[side]))
			return false;
	return memcmp(&dp_flow_at(a->flows, have->flow)->key, key, sizeof(*key)) == 0;
}

int dp_alloc_set(struct dp_apply *a, const struct tp_cmd *cmd)
{
	struct dp_alloc wish, *alloc = NULL;

	int found = dp_alloc_find(a, &cmd->alloc, &alloc);
	if (found == -EINVAL)
		return found;
	int error = describe(a, cmd, &wish);
	if (error < 0)
		return error;
	struct dp_flow_key key = client_key(&cmd->allocation.client, wish.listener);
	if (found == 0) {
		if (!same_addresses(a, alloc, &wish, &key))
			return -EINVAL;
		update(a, alloc, &wish, cmd->deadline_ns);
		return 0;
	}
	alloc = &a->allocs[cmd->alloc.index];
	if (found == -ESTALE) {
		// A newer generation says that the old one is gone; an older one came late.
		if ((int32_t)(cmd->alloc.generation - alloc->generation) < 0)
			return -ESTALE;
		dp_alloc_drop(a, alloc, false);
	}
	return create(a, alloc, &wish, &key, cmd->deadline_ns);
}

static void uncount(struct dp_apply *a, const struct dp_alloc *alloc)
{
	for (uint32_t at = alloc->first; at != 0; at = dp_flow_at(a->flows, at)->next) {
		uint8_t kind = dp_flow_at(a->flows, at)->kind;
		a->n_permissions -= kind == DP_FLOW_PERMISSION;
		a->n_channels -= kind == DP_FLOW_CHANNEL_UP;
	}
	a->n_allocations--;
}

void dp_alloc_drop(struct dp_apply *a, struct dp_alloc *alloc, bool exact)
{
	uncount(a, alloc);
	dp_owned_remove_all(a, alloc, exact);
	alloc->generation = 0;
}

int dp_alloc_delete(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack)
{
	struct dp_alloc *alloc;
	int error = dp_alloc_find(a, &cmd->alloc, &alloc);

	if (error < 0)
		return error;
	dp_alloc_drop(a, alloc, true);
	ack->counters = alloc->gone;
	return 0;
}

int dp_alloc_counters(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack)
{
	struct dp_alloc *alloc;
	int error = dp_alloc_find(a, &cmd->alloc, &alloc);

	if (error == 0)
		dp_owned_counters(a, alloc, &ack->counters);
	return error;
}
