// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share; nobody else includes it. Management thread only.
#pragma once

#include "dataplane/cmd/apply.h"

// What the manager keeps of an allocation beside its flows. An array by allocation index; pages
// that no allocation used are never touched.
struct dp_alloc {
	uint32_t generation;     // 0: free
	uint32_t first;          // its flows through `next`
	uint32_t flow;           // index of the DP_FLOW_ALLOCATION one of its client
	uint32_t pending;        // the same of the client it is moving to; 0: none
	uint64_t rate;           // DP_RATE
	uint16_t relay_local[2]; // [0] IPv4, [1] IPv6; DP_LOCAL_NONE when absent
	rte_be16_t relay_port[2];
	uint8_t sync_mark;
	uint8_t astray; // flows still lead to a client that is gone: no place for their successors
	uint8_t pad[6];
	uint64_t family_deadline_ns[2]; // of what a relayed address carries
	struct tp_alloc_counters gone;  // of flows that are no more
};
static_assert(sizeof(struct dp_alloc) == 88);

struct dp_apply {
	struct dp *dp;
	struct dp_flow_table *flows;
	const struct dp_locals *locals;

	struct dp_alloc *allocs; // mapped
	uint32_t capacity;
	uint32_t end;           // no index from here on was ever used
	uint64_t *own_deadline; // mapped, by flow index: not yet reduced by parents' deadlines

	uint64_t n_allocations, n_permissions, n_channels;

	uint8_t sync_epoch; // of marks; what has another one was not named since SYNC_BEGIN
	bool sync_open;

	uint64_t route_target; // dp_net_generation that the walk resolves for
	uint32_t resolve_next; // allocation where the walk goes on; >= end: done
};

// A peer as flows see it.
struct dp_peer {
	struct tp_ip key;         // public form when it is a relay address of ours
	struct tp_ip destination; // private form then
	uint8_t flags;            // DP_FLOW_*
	uint8_t side;             // index into relay_local and relay_port: its family
};

// ---- lookup.c

// The allocation that a reference names: 0, -EINVAL, -ENOENT, -ESTALE.
int dp_alloc_find(struct dp_apply *a, const struct tp_alloc_ref *ref, struct dp_alloc **out);
struct tp_alloc_ref dp_alloc_ref_of(const struct dp_apply *a, const struct dp_alloc *alloc);
// Makes a peer of an IP out of a command: 0, or -EINVAL (family; no relay of that family).
int dp_peer_of(const struct dp_apply *a, const struct dp_alloc *alloc, const struct tp_ip *ip,
	struct dp_peer *out);
struct dp_flow_key dp_key_client(
	const struct dp_apply *a, const struct dp_alloc *alloc, uint16_t channel);
struct dp_flow_key dp_key_peer(
	const struct dp_alloc *alloc, const struct dp_peer *peer, rte_be16_t port);
// The same for the client it is moving to, which is there.
struct dp_flow_key dp_key_pending(
	const struct dp_apply *a, const struct dp_alloc *alloc, uint16_t channel);
// The allocation's own flow with this key, NULL when there is none or it is another's.
struct dp_flow *dp_own_flow(
	const struct dp_apply *a, const struct dp_alloc *alloc, const struct dp_flow_key *key);
// 0, or -EINVAL unless the address has a family (rest of the bytes are cleared).
int dp_ip_clean(const struct tp_ip *in, struct tp_ip *out);

// ---- flows.c

// A flow of this allocation with what all kinds have; NULL when the table is full.
struct dp_flow *dp_owned_new(struct dp_apply *a, const struct dp_alloc *alloc,
	const struct dp_flow_key *key, uint8_t kind);
// Destination and flags of a downlink flow that is not published yet.
void dp_flow_towards_client(
	struct dp_apply *a, const struct dp_alloc *alloc, struct dp_flow *flow, uint8_t flags);
// Sets or clears DP_FLOW_MOVE of the published downlink flows.
void dp_owned_mark_downlinks(struct dp_apply *a, const struct dp_alloc *alloc, bool moving);
// Publishes and links; discards on failure. 0, -EEXIST, -ENOSPC.
int dp_owned_publish(
	struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *flow, uint64_t own_deadline_ns);
// Removes n flows of an allocation (any may be NULL), keeping their counts.
void dp_owned_remove(
	struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *const flows[], unsigned int n);
// Removes all flows by which data of the client with this DP_FLOW_ALLOCATION flow is known.
void dp_owned_remove_client(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_flow *client);
// Replaces each flow that leads to a client of the past by one that leads to alloc->flow's: same
// key, deadlines and rate. False when the table is full and some are left.
bool dp_owned_redirect(struct dp_apply *a, struct dp_alloc *alloc);
// Removes all flows of an allocation and adds their counts up; `exact`: waits for readers first.
void dp_owned_remove_all(struct dp_apply *a, struct dp_alloc *alloc, bool exact);
void dp_owned_counters(
	const struct dp_apply *a, const struct dp_alloc *alloc, struct tp_alloc_counters *out);

uint64_t dp_own_deadline(const struct dp_apply *a, const struct dp_flow *flow);
void dp_own_deadline_set(struct dp_apply *a, const struct dp_flow *flow, uint64_t deadline_ns);
// Computes a flow's effective deadline anew and stores it when it differs.
void dp_deadline_update(struct dp_apply *a, const struct dp_alloc *alloc, struct dp_flow *flow);

// ---- next hops (resolve.c); the same as dp_net_hold and _release, 0 without dp->net

uint16_t dp_hop_hold(const struct dp_apply *a, const struct tp_ip *dst);
void dp_hop_release(const struct dp_apply *a, uint16_t next_hop);
// Takes the next hops that a new flow needs, gives back those of a removed one.
void dp_hops_hold(const struct dp_apply *a, struct dp_flow *flow);
void dp_hops_release(const struct dp_apply *a, struct dp_flow *flow);

// ---- one command each: 0 or the ack's -errno

int dp_alloc_set(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack);
int dp_alloc_delete(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack);
int dp_alloc_counters(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack);
int dp_permission_set(struct dp_apply *a, const struct tp_cmd *cmd);
int dp_permission_delete(struct dp_apply *a, const struct tp_cmd *cmd);
int dp_channel_set(struct dp_apply *a, const struct tp_cmd *cmd);
int dp_channel_delete(struct dp_apply *a, const struct tp_cmd *cmd);
int dp_settings_set(struct dp_apply *a, const struct tp_cmd *cmd);
int dp_sync_begin(struct dp_apply *a);
int dp_sync_end(struct dp_apply *a, struct tp_ack *ack);

// Removes the whole allocation; the slot is free afterwards, its counts stay in `gone`.
void dp_alloc_drop(struct dp_apply *a, struct dp_alloc *alloc, bool exact);
// Removes the flows of one relayed address, IPv4 (0) or IPv6 (1), and then the address: once it
// returns no worker uses it for this allocation.
void dp_alloc_close_family(struct dp_apply *a, struct dp_alloc *alloc, unsigned int side);
// Removes a permission and lets its channels expire.
void dp_permission_drop(struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *flow);
// The other direction of a channel.
struct dp_flow *dp_channel_other(
	const struct dp_apply *a, const struct dp_alloc *alloc, const struct dp_flow *flow);
void dp_channel_drop(struct dp_apply *a, struct dp_alloc *alloc, struct dp_flow *flow);
// The uplink flow of a channel for the client that the allocation is moving to: the one there is
// (NULL without a move), and a new one made after the client's own. _make: 0, -EEXIST, -ENOSPC.
struct dp_flow *dp_channel_pending(
	const struct dp_apply *a, const struct dp_alloc *alloc, uint16_t channel);
int dp_channel_pending_make(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_flow *channel_up);

// ---- move.c: RFC 8016

// A client address and listener of a command, as a key.
struct dp_client {
	struct dp_flow_key key;
	uint16_t listener_local; // DP_LOCAL_NONE: behind a stream process
	rte_be16_t listener_port;
};

// Publishes the DP_FLOW_ALLOCATION flow of a client; its index is returned through `index`. 0,
// -EEXIST, -ENOSPC.
int dp_client_publish(struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client,
	uint32_t move, uint64_t deadline_ns, uint32_t *index);
// Makes `client` the pending one, with flows for every channel; none is pending before. 0, or
// -errno with none pending.
int dp_move_begin(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client, uint32_t move);
// Ends a pending move: completes it when a datagram of the new client was seen, else forgets it.
void dp_move_end(struct dp_apply *a, struct dp_alloc *alloc);
// Makes `client` the allocation's at once, without a datagram of it; none is pending. 0 or -errno.
int dp_move_force(
	struct dp_apply *a, struct dp_alloc *alloc, const struct dp_client *client, uint32_t move);
// Before the flows of an allocation go: none of its clients is looked at any more.
void dp_move_forget(const struct dp_apply *a, const struct dp_alloc *alloc);
