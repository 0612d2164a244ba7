// SPDX-License-Identifier: BSD-3-Clause
// The kernel's routing as the dataplane sees it: links, addresses, routes and neighbours mirrored
// over netlink (RFC 3549) into an rte_fib for each family and the next-hop table.
#pragma once

#include "common/abi/memory.h"
#include "dataplane/dp.h"

// Opens the sockets, subscribes, takes a full dump. Needs dp->ports. 0 or -errno.
int dp_net_create(struct dp *dp, struct dp_net **out);
void dp_net_destroy(struct dp_net *net);

// Descriptor to poll (events readable), and what to call then: applies all pending changes; after
// ENOBUFS takes a full dump. 0 or -errno (fatal).
int dp_net_fd(const struct dp_net *net);
int dp_net_process(struct dp_net *net);
// Once a second: asks the kernel again about unresolved next hops in use.
void dp_net_tick(struct dp_net *net, uint64_t now_ns);

// Counts route changes; when it moves, cmd/apply re-resolves flows in slices.
uint64_t dp_net_generation(const struct dp_net *net);

// Workers and manager, lock-free: index of the next hop towards `dst`, DP_NEXT_HOP_NONE without a
// route or (on-link) without a known neighbour. For answers; flows keep an index of their own.
uint16_t dp_net_lookup(const struct dp_net *net, const struct tp_ip *dst);

// Workers and manager, lock-free: whether a packet can come from there, as far as the routes say:
// not from an address of this machine, nor from the broadcast address of a network it is in.
bool dp_net_source_possible(const struct dp_net *net, const struct tp_ip *source);

// Manager: dp_net_lookup, but makes the neighbour entry when it is missing, has the kernel resolve
// it and keep it fresh (NTF_EXT_MANAGED, else NTF_USE), and takes a reference. Every _hold needs a
// _release.
uint16_t dp_net_hold(struct dp_net *net, const struct tp_ip *dst);
void dp_net_release(struct dp_net *net, uint16_t next_hop);

// Fills routes, neighbours, next_hops, next_hops_unresolved and the ports' link state.
void dp_net_status(const struct dp_net *net, struct tp_status_reply *out);
// Tells the memory of routes, neighbours and next hops.
void dp_net_memory(const struct dp_net *net, struct tp_memory *out);
