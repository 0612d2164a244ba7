// SPDX-License-Identifier: BSD-3-Clause
// ALLOC_SET, ALLOC_DELETE, COUNTERS.
#include <errno.h>

#include "common/abi/stream.h"
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

// A client behind a stream process: named as common/abi/stream.h says and in no other way.
static int find_stream_client(
	const struct tp_addr *client, const struct tp_addr *listener, struct dp_client *out)
{
	static const struct tp_addr no_listener = {.ip.family = TP_FAMILY_STREAM};
	struct tp_stream_client named = tp_stream_client_of(client);
	struct tp_addr whole = tp_stream_address(named);

	if (named.stream == 0 || named.connection == 0 || !tp_addr_equal(client, &whole) ||
		!tp_addr_equal(listener, &no_listener))
		return -EINVAL;
	*out = (struct dp_client){
		.key = {.side = DP_KEY_STREAM, .family = TP_FAMILY_STREAM},
		.listener_local = DP_LOCAL_NONE,
	};
	memcpy(out->key.ip, client->ip.bytes, sizeof(out->key.ip));
	return 0;
}

// Where a client stands: its address and the listener it uses.
static int find_client(const struct dp_apply *a, const struct tp_addr *client,
	const struct tp_addr *listener, struct dp_client *out)
{
	size_t length = tp_ip_length(&client->ip);

	if (client->ip.family == TP_FAMILY_STREAM)
		return find_stream_client(client, listener, out);
	if (length == 0 || client->port == 0 || client->ip.family != listener->ip.family)
		return -EINVAL;
	uint16_t local = dp_local_find(a->locals, listener->ip.family, listener->ip.bytes);
	if (local == DP_LOCAL_NONE)
		return -EADDRNOTAVAIL;
	uint16_t index = dp_listener_find(a->locals, local, rte_cpu_to_be_16(listener->port));
	if (index == DP_LISTENER_NONE)
		return -EADDRNOTAVAIL;
	*out = (struct dp_client){
		.key = {.port = rte_cpu_to_be_16(client->port),
			.local = index,
			.side = DP_KEY_CLIENT,
			.family = client->ip.family},
		.listener_local = local,
		.listener_port = rte_cpu_to_be_16(listener->port),
	};
	memcpy(out->key.ip, client->ip.bytes, length);
	return 0;
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

// What a command asks for, checked.
struct wish {
	struct dp_alloc alloc; // as a new allocation would look
	struct dp_client client, pending;
	bool moving;
	uint32_t move;
};

static int describe(const struct dp_apply *a, const struct tp_cmd *cmd, struct wish *out)
{
	const struct tp_cmd_alloc *asked = &cmd->allocation;
	int error;

	*out = (struct wish){
		.alloc = {.generation = cmd->alloc.generation,
			.rate = rate_word(asked),
			.relay_local = {DP_LOCAL_NONE, DP_LOCAL_NONE},
			.sync_mark = a->sync_epoch},
		.moving = asked->pending.ip.family != TP_FAMILY_NONE,
		.move = cmd->move,
	};
	for (unsigned int side = 0; side < 2; side++)
		out->alloc.family_deadline_ns[side] = asked->family_deadline_ns[side]
							      ? asked->family_deadline_ns[side]
							      : cmd->deadline_ns;
	if (tp_ip_length(&asked->relay[0].ip) == 0)
		return -EINVAL;
	error = find_client(a, &asked->client, &asked->listener, &out->client);
	if (error == 0 && out->moving)
		error = find_client(a, &asked->pending, &asked->pending_listener, &out->pending);
	if (error == 0)
		error = find_relay(a, &asked->relay[0], &out->alloc);
	if (error < 0 || asked->relay[1].ip.family == TP_FAMILY_NONE)
		return error;
	if (tp_ip_length(&asked->relay[1].ip) == 0 ||
		asked->relay[1].ip.family == asked->relay[0].ip.family)
		return -EINVAL;
	return find_relay(a, &asked->relay[1], &out->alloc);
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

static int create(
	struct dp_apply *a, struct dp_alloc *alloc, const struct wish *wish, uint64_t deadline_ns)
{
	*alloc = wish->alloc;
	begin_policing(a, alloc);
	int error = dp_client_publish(
		a, alloc, &wish->client, wish->moving ? 0 : wish->move, deadline_ns, &alloc->flow);
	if (error < 0) {
		*alloc = (struct dp_alloc){0};
		return error;
	}
	a->n_allocations++;
	a->end = RTE_MAX(a->end, (uint32_t)(alloc - a->allocs) + 1);
	if (wish->moving)
		error = dp_move_begin(a, alloc, &wish->pending, wish->move);
	if (error < 0)
		dp_alloc_drop(a, alloc, false);
	return error;
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
	if (alloc->pending != 0)
		atomic_store_explicit(&dp_flow_at(a->flows, alloc->pending)->relay_local[side],
			DP_LOCAL_NONE, memory_order_relaxed);
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
	if (alloc->pending != 0)
		a->own_deadline[alloc->pending] = deadline_ns;
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
static bool same_relays(const struct dp_alloc *have, const struct dp_alloc *wish)
{
	for (unsigned int side = 0; side < 2; side++)
		if (wish->relay_local[side] != DP_LOCAL_NONE &&
			(wish->relay_local[side] != have->relay_local[side] ||
				wish->relay_port[side] != have->relay_port[side]))
			return false;
	return true;
}

static bool is_client(const struct dp_apply *a, uint32_t flow, const struct dp_client *client)
{
	return flow != 0 &&
	       memcmp(&dp_flow_at(a->flows, flow)->key, &client->key, sizeof(client->key)) == 0;
}

// Whether a client flow is what the wished move leads to.
static bool is_wished(const struct dp_apply *a, uint32_t flow, const struct wish *wish)
{
	return wish->moving && is_client(a, flow, &wish->pending) &&
	       dp_flow_at(a->flows, flow)->move == wish->move;
}

// Client and move as the command has them, RFC 8016 section 3.2.2. What was completed here before
// control knew stays completed, the acknowledgement tells: the wished move itself, or the one
// before it, from which this one goes on. One that control has taken back ends where it says.
static int reconcile(struct dp_apply *a, struct dp_alloc *alloc, const struct wish *wish)
{
	if (is_wished(a, alloc->pending, wish))
		return 0;
	dp_move_end(a, alloc);
	if (is_wished(a, alloc->flow, wish))
		return 0;
	uint32_t last = dp_flow_at(a->flows, alloc->flow)->move;
	int error = 0;
	if (!is_client(a, alloc->flow, &wish->client)) {
		if (last != 0 && last - 1 == wish->move)
			error = dp_move_force(
				a, alloc, &wish->client, wish->moving ? 0 : wish->move);
		else if (!wish->moving || last == 0 || last != wish->move - 1)
			error = -EINVAL;
	}
	if (error == 0 && wish->moving)
		error = dp_move_begin(a, alloc, &wish->pending, wish->move);
	return error;
}

int dp_alloc_set(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack)
{
	struct dp_alloc *alloc = NULL;
	struct wish wish;

	int found = dp_alloc_find(a, &cmd->alloc, &alloc);
	if (found == -EINVAL)
		return found;
	int error = describe(a, cmd, &wish);
	if (error < 0)
		return error;
	if (found == 0) {
		if (!same_relays(alloc, &wish.alloc))
			return -EINVAL;
		error = reconcile(a, alloc, &wish);
		ack->moved = dp_flow_at(a->flows, alloc->flow)->move;
		if (error < 0)
			return error;
		update(a, alloc, &wish.alloc, cmd->deadline_ns);
		return 0;
	}
	alloc = &a->allocs[cmd->alloc.index];
	if (found == -ESTALE) {
		// A newer generation says that the old one is gone; an older one came late.
		if ((int32_t)(cmd->alloc.generation - alloc->generation) < 0)
			return -ESTALE;
		dp_alloc_drop(a, alloc, false);
	}
	return create(a, alloc, &wish, cmd->deadline_ns);
}

static void uncount(struct dp_apply *a, const struct dp_alloc *alloc)
{
	for (uint32_t at = alloc->first; at != 0; at = dp_flow_at(a->flows, at)->next) {
		uint8_t kind = dp_flow_at(a->flows, at)->kind;
		a->n_permissions -= kind == DP_FLOW_PERMISSION;
		a->n_channels -= kind == DP_FLOW_CHANNEL_DOWN; // uplinks may be two
	}
	a->n_allocations--;
}

void dp_alloc_drop(struct dp_apply *a, struct dp_alloc *alloc, bool exact)
{
	uncount(a, alloc);
	dp_move_forget(a, alloc);
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
