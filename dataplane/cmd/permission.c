// SPDX-License-Identifier: BSD-3-Clause
// PERMISSION_SET, PERMISSION_DELETE. One flow, keyed by the peer's IP, serves both directions of
// indications; channels to that IP live no longer than it (RFC 8656 section 9).
#include <errno.h>

#include "dataplane/cmd/apply_impl.h"

// Channels whose peer side has this permission's IP and relayed address.
static void update_channels(
	struct dp_apply *a, const struct dp_alloc *alloc, const struct dp_flow_key *permission)
{
	for (uint32_t at = alloc->first; at != 0;) {
		struct dp_flow *flow = dp_flow_at(a->flows, at);
		at = flow->next;
		if (flow->kind != DP_FLOW_CHANNEL_DOWN)
			continue;
		if (memcmp(flow->key.ip, permission->ip, sizeof(permission->ip)) != 0 ||
			flow->key.family != permission->family)
			continue;
		dp_deadline_update(a, alloc, flow);
		dp_deadline_update(a, alloc, dp_channel_other(a, alloc, flow));
		struct dp_flow *pending = dp_channel_pending(a, alloc, flow->channel);
		if (pending != NULL)
			dp_deadline_update(a, alloc, pending);
	}
}

static int create(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_peer *peer,
	const struct dp_flow_key *key, uint64_t deadline_ns)
{
	struct dp_flow *flow = dp_owned_new(a, alloc, key, DP_FLOW_PERMISSION);

	if (flow == NULL)
		return -ENOSPC;
	dp_flow_towards_client(a, alloc, flow, peer->flags);
	int error = dp_owned_publish(a, alloc, flow, deadline_ns);
	if (error == 0)
		a->n_permissions++;
	return error;
}

int dp_permission_set(struct dp_apply *a, const struct tp_cmd *cmd)
{
	struct dp_alloc *alloc;
	struct dp_peer peer;
	int error = dp_alloc_find(a, &cmd->alloc, &alloc);

	if (error == 0)
		error = dp_peer_of(a, alloc, &cmd->permission, &peer);
	if (error < 0)
		return error;
	struct dp_flow_key key = dp_key_peer(alloc, &peer, 0);
	struct dp_flow *flow = dp_own_flow(a, alloc, &key);
	if (flow == NULL) {
		error = create(a, alloc, &peer, &key, cmd->deadline_ns);
		if (error < 0)
			return error;
	} else {
		flow->sync_mark = a->sync_epoch;
		if (dp_own_deadline(a, flow) == cmd->deadline_ns)
			return 0;
		dp_own_deadline_set(a, flow, cmd->deadline_ns);
		dp_deadline_update(a, alloc, flow);
	}
	update_channels(a, alloc, &key);
	return 0;
}

void dp_permission_drop(struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *flow)
{
	struct dp_flow_key key = flow->key;

	dp_owned_remove(a, alloc, &flow, 1);
	a->n_permissions--;
	update_channels(a, alloc, &key);
}

int dp_permission_delete(struct dp_apply *a, const struct tp_cmd *cmd)
{
	struct dp_alloc *alloc;
	struct dp_peer peer;
	int error = dp_alloc_find(a, &cmd->alloc, &alloc);

	if (error == 0)
		error = dp_peer_of(a, alloc, &cmd->permission, &peer);
	if (error < 0)
		return error;
	struct dp_flow_key key = dp_key_peer(alloc, &peer, 0);
	struct dp_flow *flow = dp_own_flow(a, alloc, &key);
	if (flow == NULL)
		return -ENOENT;
	dp_permission_drop(a, alloc, flow);
	return 0;
}
