// SPDX-License-Identifier: BSD-3-Clause
// CHANNEL_SET, CHANNEL_DELETE. A channel is a pair of flows, one a direction; each is found from
// the other by its key (RFC 8656 section 12).
#include <errno.h>

#include "common/wire/chandata.h"
#include "dataplane/cmd/apply_impl.h"

struct dp_flow *dp_channel_other(
	const struct dp_apply *a, const struct dp_alloc *alloc, const struct dp_flow *flow)
{
	struct dp_flow_key key;

	if (flow->kind == DP_FLOW_CHANNEL_DOWN) {
		key = dp_key_client(a, alloc, flow->channel);
	} else {
		struct tp_ip ip = {.family = flow->dst_family};
		struct dp_peer peer;
		memcpy(ip.bytes, flow->dst_ip, sizeof(ip.bytes));
		if (dp_peer_of(a, alloc, &ip, &peer) < 0)
			return NULL;
		key = dp_key_peer(alloc, &peer, flow->dst_port);
	}
	return dp_own_flow(a, alloc, &key);
}

void dp_channel_drop(struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *flow)
{
	struct dp_flow *all[] = {flow, dp_channel_other(a, alloc, flow),
		dp_channel_pending(a, alloc, flow->channel)};

	dp_owned_remove(a, alloc, all, RTE_DIM(all));
	a->n_channels--;
}

struct dp_flow *dp_channel_pending(
	const struct dp_apply *a, const struct dp_alloc *alloc, uint16_t channel)
{
	if (alloc->pending == 0)
		return NULL;
	struct dp_flow_key key = dp_key_pending(a, alloc, channel);
	return dp_own_flow(a, alloc, &key);
}

int dp_channel_pending_make(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_flow *channel_up)
{
	struct dp_flow_key key = dp_key_pending(a, alloc, channel_up->channel);
	struct dp_flow *flow = dp_owned_new(a, alloc, &key, DP_FLOW_CHANNEL_UP);

	if (flow == NULL)
		return -ENOSPC;
	memcpy(flow->dst_ip, channel_up->dst_ip, sizeof(flow->dst_ip));
	flow->dst_family = channel_up->dst_family;
	flow->dst_port = channel_up->dst_port;
	flow->src_local = channel_up->src_local;
	flow->src_port = channel_up->src_port;
	flow->channel = channel_up->channel;
	flow->sync_mark = channel_up->sync_mark;
	flow->flags = (channel_up->flags & DP_FLOW_HAIRPIN) | DP_FLOW_MOVE;
	flow->client = alloc->pending;
	return dp_owned_publish(a, alloc, flow, dp_own_deadline(a, channel_up));
}

static struct dp_flow *new_up(struct dp_apply *a, const struct dp_alloc *alloc,
	const struct dp_peer *peer, rte_be16_t port, uint16_t channel)
{
	struct dp_flow_key key = dp_key_client(a, alloc, channel);
	struct dp_flow *flow = dp_owned_new(a, alloc, &key, DP_FLOW_CHANNEL_UP);

	if (flow == NULL)
		return NULL;
	memcpy(flow->dst_ip, peer->destination.bytes, sizeof(flow->dst_ip));
	flow->dst_family = peer->destination.family;
	flow->dst_port = port;
	flow->src_local = alloc->relay_local[peer->side];
	flow->src_port = alloc->relay_port[peer->side];
	flow->channel = channel;
	flow->flags = peer->flags & DP_FLOW_HAIRPIN;
	return flow;
}

static struct dp_flow *new_down(struct dp_apply *a, const struct dp_alloc *alloc,
	const struct dp_peer *peer, rte_be16_t port, uint16_t channel)
{
	struct dp_flow_key key = dp_key_peer(alloc, peer, port);
	struct dp_flow *flow = dp_owned_new(a, alloc, &key, DP_FLOW_CHANNEL_DOWN);

	if (flow == NULL)
		return NULL;
	dp_flow_towards_client(a, alloc, flow, peer->flags & DP_FLOW_HAIRPIN);
	flow->channel = channel;
	return flow;
}

static int create(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_peer *peer,
	rte_be16_t port, const struct tp_cmd *cmd)
{
	struct dp_flow *down = new_down(a, alloc, peer, port, cmd->channel.channel);
	if (down == NULL)
		return -ENOSPC;
	struct dp_flow *up = new_up(a, alloc, peer, port, cmd->channel.channel);
	if (up == NULL) {
		dp_flow_discard(a->flows, down);
		return -ENOSPC;
	}
	int error = dp_owned_publish(a, alloc, down, cmd->deadline_ns);
	if (error < 0) {
		dp_flow_discard(a->flows, up);
		return error;
	}
	error = dp_owned_publish(a, alloc, up, cmd->deadline_ns);
	if (error < 0) {
		dp_owned_remove(a, alloc, &down, 1);
		return error;
	}
	if (alloc->pending != 0)
		error = dp_channel_pending_make(a, alloc, up);
	if (error < 0) {
		dp_owned_remove(a, alloc, (struct dp_flow *[]){up, down}, 2);
		return error;
	}
	a->n_channels++;
	return 0;
}

static void refresh(struct dp_apply *a, const struct dp_alloc *alloc, struct dp_flow *flow,
	uint64_t deadline_ns)
{
	flow->sync_mark = a->sync_epoch;
	if (dp_own_deadline(a, flow) == deadline_ns)
		return;
	dp_own_deadline_set(a, flow, deadline_ns);
	dp_deadline_update(a, alloc, flow);
}

// Allocation, channel number and peer of a command: 0 or the ack's -errno.
static int check(
	struct dp_apply *a, const struct tp_cmd *cmd, struct dp_alloc **alloc, struct dp_peer *peer)
{
	const struct tp_cmd_channel *wish = &cmd->channel;
	int error = dp_alloc_find(a, &cmd->alloc, alloc);

	if (error < 0)
		return error;
	if (!chandata_channel_ok(wish->channel, CHANDATA_CHANNEL_MAX_RFC5766) ||
		wish->peer.port == 0)
		return -EINVAL;
	return dp_peer_of(a, *alloc, &wish->peer.ip, peer);
}

static bool is_listener(const struct dp_apply *a, const struct dp_peer *peer, rte_be16_t port)
{
	if (!(peer->flags & DP_FLOW_DENIED))
		return false;
	uint16_t local =
		dp_local_find(a->locals, peer->destination.family, peer->destination.bytes);
	return local != DP_LOCAL_NONE &&
	       dp_listener_find(a->locals, local, port) != DP_LISTENER_NONE;
}

int dp_channel_set(struct dp_apply *a, const struct tp_cmd *cmd)
{
	struct dp_alloc *alloc;
	struct dp_peer peer;
	int error = check(a, cmd, &alloc, &peer);

	if (error < 0)
		return error;
	rte_be16_t port = rte_cpu_to_be_16(cmd->channel.peer.port);
	if (is_listener(a, &peer, port))
		return -EINVAL;
	struct dp_flow_key up_key = dp_key_client(a, alloc, cmd->channel.channel);
	struct dp_flow_key down_key = dp_key_peer(alloc, &peer, port);
	struct dp_flow *up = dp_own_flow(a, alloc, &up_key);
	struct dp_flow *down = dp_own_flow(a, alloc, &down_key);
	if (up != NULL && down != NULL && down->channel == cmd->channel.channel) {
		refresh(a, alloc, up, cmd->deadline_ns);
		refresh(a, alloc, down, cmd->deadline_ns);
		struct dp_flow *pending = dp_channel_pending(a, alloc, cmd->channel.channel);
		if (pending != NULL)
			refresh(a, alloc, pending, cmd->deadline_ns);
		return 0;
	}
	// The number or the peer was bound otherwise: those bindings are over.
	if (up != NULL)
		dp_channel_drop(a, alloc, up);
	if (down != NULL)
		dp_channel_drop(a, alloc, down);
	return create(a, alloc, &peer, port, cmd);
}

int dp_channel_delete(struct dp_apply *a, const struct tp_cmd *cmd)
{
	struct dp_alloc *alloc;
	struct dp_peer peer;
	int error = check(a, cmd, &alloc, &peer);

	if (error < 0)
		return error;
	rte_be16_t port = rte_cpu_to_be_16(cmd->channel.peer.port);
	struct dp_flow_key key = dp_key_peer(alloc, &peer, port);
	struct dp_flow *down = dp_own_flow(a, alloc, &key);
	if (down == NULL || down->channel != cmd->channel.channel)
		return -ENOENT;
	dp_channel_drop(a, alloc, down);
	return 0;
}
