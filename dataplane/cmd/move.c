// SPDX-License-Identifier: BSD-3-Clause
// A client on its way from one five-tuple to another (RFC 8016 section 3.2.2). While it moves, both
// have uplink flows and the peers' data goes to the old one. The first datagram on the new one
// ends that: in the same burst for workers (path/moves.h), which look at dp->moving for a flow with
// DP_FLOW_MOVE, and a moment later here: those towards the client are replaced, the old one's go.
#include <errno.h>

#include "dataplane/cmd/apply_impl.h"

int dp_client_publish(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client,
	uint32_t move, uint64_t deadline_ns, uint32_t *index)
{
	struct dp_flow *flow = dp_owned_new(a, alloc, &client->key, DP_FLOW_ALLOCATION);

	if (flow == NULL)
		return -ENOSPC;
	for (unsigned int side = 0; side < 2; side++)
		atomic_init(&flow->relay_local[side], alloc->relay_local[side]);
	memcpy(flow->relay_port, alloc->relay_port, sizeof(flow->relay_port));
	flow->move = move;
	flow->src_local = client->listener_local;
	flow->src_port = client->listener_port;
	flow->dst_port = client->key.port;
	flow->dst_family = client->key.family;
	if (alloc->flow != 0) {
		flow->flags = DP_FLOW_MOVE;
		flow->client = dp_flow_index(a->flows, flow);
	}
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

static _Atomic uint32_t *moving_of(const struct dp_apply *a, const struct dp_alloc *alloc)
{
	return &a->dp->moving[alloc - a->allocs];
}

void dp_move_forget(const struct dp_apply *a, const struct dp_alloc *alloc)
{
	atomic_store_explicit(moving_of(a, alloc), 0, memory_order_release);
}

// Its flows are in nobody's way: no worker was told to look at it, or none saw a datagram of it.
static void forget_pending(struct dp_apply *a, struct dp_alloc *alloc)
{
	uint32_t pending = alloc->pending;

	alloc->pending = 0;
	dp_owned_mark_downlinks(a, alloc, false);
	dp_move_forget(a, alloc);
	dp_owned_remove_client(a, alloc, dp_flow_at(a->flows, pending));
}

int dp_move_begin(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client, uint32_t move)
{
	// What still leads to a client of the past goes where workers are told that the present one
	// is; they can be told of one place only.
	if (alloc->astray) {
		alloc->astray = !dp_owned_redirect(a, alloc);
		if (alloc->astray)
			return -ENOSPC;
	}
	int error = dp_client_publish(
		a, alloc, client, move, a->own_deadline[alloc->flow], &alloc->pending);
	if (error < 0)
		return error;
	error = begin_channels(a, alloc);
	if (error < 0) {
		forget_pending(a, alloc);
		return error;
	}
	atomic_store_explicit(moving_of(a, alloc), alloc->pending, memory_order_release);
	dp_owned_mark_downlinks(a, alloc, true);
	return 0;
}

// The next datagram of the client says it again.
static void listen_again(struct dp_apply *a, const struct dp_alloc *alloc)
{
	for (uint32_t at = alloc->first; at != 0; at = dp_flow_at(a->flows, at)->next)
		atomic_store_explicit(&dp_flow_at(a->flows, at)->seen, 0, memory_order_relaxed);
}

// What has no place for a successor keeps its DP_FLOW_MOVE, so workers find the client all the
// same.
static void redirect_rest(struct dp_apply *a, struct dp_alloc *alloc)
{
	alloc->astray = !dp_owned_redirect(a, alloc);
	if (alloc->astray)
		listen_again(a, alloc);
}

// The pending client, which has arrived, takes the place of the old one. Workers are told where it
// is until the next move: one may hold a flow from before.
static void complete(struct dp_apply *a, struct dp_alloc *alloc)
{
	const struct dp_flow *old = dp_flow_at(a->flows, alloc->flow);

	alloc->flow = alloc->pending;
	alloc->pending = 0;
	bool whole = dp_owned_redirect(a, alloc);
	dp_owned_remove_client(a, alloc, old);
	if (!whole)
		redirect_rest(a, alloc); // now there are places
}

static struct dp_flow *pending_of(const struct dp_apply *a, const struct dp_alloc *alloc)
{
	return dp_flow_at(a->flows, alloc->pending);
}

void dp_move_end(struct dp_apply *a, struct dp_alloc *alloc)
{
	uint8_t state = DP_CLIENT_AWAITED;

	if (alloc->pending == 0)
		return;
	if (atomic_compare_exchange_strong_explicit(&pending_of(a, alloc)->client_state, &state,
		    DP_CLIENT_GIVEN_UP, memory_order_acq_rel, memory_order_acquire))
		forget_pending(a, alloc);
	else
		complete(a, alloc);
}

int dp_move_force(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client, uint32_t move)
{
	int error = dp_move_begin(a, alloc, client, move);

	if (error < 0)
		return error;
	atomic_store_explicit(
		&pending_of(a, alloc)->client_state, DP_CLIENT_ARRIVED, memory_order_release);
	complete(a, alloc);
	return 0;
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
	if (alloc->astray && is_of(a, flow, alloc->flow))
		redirect_rest(a, alloc);
	if (!is_of(a, flow, alloc->pending) ||
		atomic_load_explicit(&pending_of(a, alloc)->client_state, memory_order_acquire) !=
			DP_CLIENT_ARRIVED)
		return false;
	complete(a, alloc);
	*event = (struct tp_ack){.type = TP_EVENT_MOVED,
		.alloc = dp_alloc_ref_of(a, alloc),
		.moved = dp_flow_at(a->flows, alloc->flow)->move};
	return true;
}
