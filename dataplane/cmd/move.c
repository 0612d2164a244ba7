// SPDX-License-Identifier: BSD-3-Clause
// A client on its way from one five-tuple to another (RFC 8016 section 3.2.2). While it moves, both
// have uplink flows and the peers' data goes to the old one. The first datagram on the new one
// ends that: the old one's flows go, those towards the client are replaced.
#include <errno.h>

#include "dataplane/cmd/apply_impl.h"

int dp_client_publish(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client,
	uint32_t move, uint64_t deadline_ns, uint32_t *index)
{
	struct dp_flow *flow = dp_owned_new(a, alloc, &client->key, DP_FLOW_ALLOCATION);
	uint16_t local;

	if (flow == NULL)
		return -ENOSPC;
	for (unsigned int side = 0; side < 2; side++)
		atomic_init(&flow->relay_local[side], alloc->relay_local[side]);
	memcpy(flow->relay_port, alloc->relay_port, sizeof(flow->relay_port));
	flow->move = move;
	flow->src_local = client->listener_local;
	flow->src_port =
		rte_cpu_to_be_16(dp_listener_at(a->locals, client->key.local, &local)->port);
	flow->dst_port = client->key.port;
	flow->dst_family = client->key.family;
	if (alloc->flow != 0)
		flow->flags = DP_FLOW_MOVE;
	int error = dp_owned_publish(a, alloc, flow, deadline_ns);
	if (error == 0)
		*index = dp_flow_index(a->flows, flow);
	return error;
}

static int begin_channels(struct dp_apply *a, struct dp_alloc *alloc)
{
	int error = 0;

	// New flows go in before `at`.
	for (uint32_t at = alloc->first; at != 0 && error == 0;) {
		struct dp_flow *flow = dp_flow_at(a->flows, at);
		at = flow->next;
		if (flow->kind != DP_FLOW_CHANNEL_DOWN)
			continue;
		const struct dp_flow *up = dp_channel_other(a, alloc, flow);
		if (up != NULL)
			error = dp_channel_pending_make(a, alloc, up);
	}
	return error;
}

int dp_move_begin(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client, uint32_t move)
{
	dp_move_cancel(a, alloc);
	int error = dp_client_publish(
		a, alloc, client, move, a->own_deadline[alloc->flow], &alloc->pending);
	if (error == 0)
		error = begin_channels(a, alloc);
	if (error < 0)
		dp_move_cancel(a, alloc);
	return error;
}

void dp_move_cancel(struct dp_apply *a, struct dp_alloc *alloc)
{
	uint32_t pending = alloc->pending;

	alloc->pending = 0;
	if (pending != 0)
		dp_owned_remove_client(a, alloc, dp_flow_at(a->flows, pending));
}

// The next datagram of the client says it again.
static void listen_again(struct dp_apply *a, const struct dp_alloc *alloc)
{
	for (uint32_t at = alloc->first; at != 0; at = dp_flow_at(a->flows, at)->next)
		atomic_store_explicit(&dp_flow_at(a->flows, at)->seen, 0, memory_order_relaxed);
}

void dp_move_complete(struct dp_apply *a, struct dp_alloc *alloc)
{
	if (alloc->pending == 0) {
		alloc->astray = !dp_owned_redirect(a, alloc);
	} else {
		const struct dp_flow *old = dp_flow_at(a->flows, alloc->flow);
		alloc->flow = alloc->pending;
		alloc->pending = 0;
		// First, because the peers' answers to the datagram that ends the move are under
		// way: taking flows away waits for the workers.
		bool whole = dp_owned_redirect(a, alloc);
		dp_owned_remove_client(a, alloc, old);
		alloc->astray = !whole && !dp_owned_redirect(a, alloc); // now there are places
	}
	if (alloc->astray)
		listen_again(a, alloc);
}

// The client of a flow whose `seen` is set: a flow that was freed and used again has it cleared.
static bool is_of(const struct dp_apply *a, const struct dp_flow *flow, uint32_t client)
{
	if (client == 0)
		return false;
	struct dp_flow_key key = dp_flow_at(a->flows, client)->key;
	key.selector = flow->key.selector;
	return memcmp(&flow->key, &key, sizeof(key)) == 0;
}

bool dp_apply_moved(struct dp_apply *a, uint32_t index, struct tp_ack *event)
{
	struct dp_alloc *alloc;

	if (index == 0 || index > dp_flow_capacity(a->flows))
		return false;
	const struct dp_flow *flow = dp_flow_at(a->flows, index);
	if (atomic_load_explicit(&flow->seen, memory_order_relaxed) == 0 ||
		dp_alloc_find(a, &flow->alloc, &alloc) < 0)
		return false;
	if (alloc->astray && is_of(a, flow, alloc->flow)) {
		dp_move_complete(a, alloc);
		return false;
	}
	if (!is_of(a, flow, alloc->pending))
		return false;
	dp_move_complete(a, alloc);
	*event = (struct tp_ack){.type = TP_EVENT_MOVED,
		.alloc = dp_alloc_ref_of(a, alloc),
		.moved = dp_flow_at(a->flows, alloc->flow)->move};
	return true;
}
