// SPDX-License-Identifier: BSD-3-Clause
// What the netlink mirror keeps: links of our ports, next hops by neighbour, routes in a FIB for
// each family. Changed only by the management thread, from rtnetlink messages; no socket in here.
#pragma once

#include <linux/netlink.h>

#include <rte_fib.h>
#include <rte_fib6.h>

#include "common/abi/memory.h"
#include "dataplane/dp.h"

// What a route lookup yields, 15 bits: index of the gateway's next hop (0: no route), or
// NET_ON_LINK | link slot, or NET_DEFAULT: no prefix matched but the default route. Inside the
// tables also NET_NO_SENDER: no route, and no packet can come from there.
#define NET_ON_LINK   0x4000
#define NET_NO_SENDER 0x7ffe
#define NET_DEFAULT   0x7fff
#define NET_LINKS_MAX 4096
static_assert(DP_NEXT_HOP_MAX <= NET_ON_LINK && (NET_ON_LINK | NET_LINKS_MAX) < NET_NO_SENDER);

// Neighbours that nobody holds but answers may need; more of them are not mirrored.
#define NET_IDLE_HOPS_MAX (DP_NEXT_HOP_MAX / 2)
#define NET_HOP_BUCKETS   16384

// How the tables have the kernel resolve a neighbour.
enum net_wish {
	NET_WISH_KEEP, // resolve it now and keep it fresh
	NET_WISH_DROP, // nobody here needs it any more
};
struct net_asker {
	void (*ask)(void *context, enum net_wish wish, uint32_t ifindex, const struct tp_ip *ip);
	void *context;
};

// An interface over one of our ports: the port itself, or an 802.1Q interface on it.
struct net_link {
	_Atomic uint32_t ifindex; // w: manager r: workers, relaxed; 0 free
	uint16_t port;            // index into dp.ports
	uint16_t vlan;            // VID or 0xffff
	uint16_t mtu;             // IP bytes
	uint8_t up;
	uint8_t pad;
	uint32_t seen; // epoch of the last dump that had it
};

// Manager's notes about a next hop, beside the entry that workers read.
struct net_hop_notes {
	uint64_t token; // QSBR token after which a freed entry may be used again
	uint32_t seen;
	bool managed;   // the kernel keeps it fresh by itself
	bool permanent; // static entry of the operator: never asked for, never released
	bool asked;     // the kernel holds a wish of ours
	bool used;      // in the hash
};

struct net_hops {
	struct dp_next_hop *hop;  // dp.next_hops
	_Atomic uint16_t *bucket; // w: manager release r: workers acquire; head of a chain
	_Atomic uint16_t *next;   // the same; chain by index, ends with 0
	struct net_hop_notes *notes;
	uint16_t *free_ring; // oldest first, so that readers had time
	uint32_t free_head, free_count;
	uint32_t secret;     // of the hash
	uint32_t round_from; // where the next tick goes on asking
	uint32_t held;       // entries with references
	uint32_t idle;       // entries in the hash without
};

struct net_route {
	struct tp_ip prefix;
	uint8_t bits;
	uint8_t rank;  // 0 local, 1 main, 2 default table
	bool multiple; // the kernel has several under this key; the first counts
	uint32_t priority;
	uint32_t next; // in its bucket, index + 1
	uint32_t seen;
	uint16_t value;
};

struct net_routes {
	struct rte_fib *fib4;
	struct rte_fib6 *fib6;
	_Atomic uint16_t default_value[2]; // [0] IPv4, [1] IPv6
	struct net_route *route;
	uint32_t *bucket; // index + 1
	uint32_t buckets; // a power of two
	uint32_t capacity, count;
	uint32_t free_first; // index + 1
	uint64_t refused;    // routes that found no room
};

struct net_tables {
	struct dp *dp;
	struct net_asker asker;
	struct net_link links[NET_LINKS_MAX];
	uint32_t n_links; // highest slot in use + 1
	struct net_hops hops;
	struct net_routes routes;
	_Atomic uint64_t generation;
	uint32_t epoch;
	bool dumping;
	bool reread; // the kernel changed routes in a way that it does not announce
};

// Memory of all tables, from EAL and the heap; needs dp->next_hops, dp->ports, dp->conf->limits.
// 0 or -errno.
int dp_net_tables_init(struct net_tables *t, struct dp *dp, struct net_asker asker);
void dp_net_tables_fini(struct net_tables *t);

// Applies one rtnetlink message, of a dump or an event; others are ignored.
void dp_net_tables_apply(struct net_tables *t, const struct nlmsghdr *message);

// A full dump of links, neighbours and routes lies between these two; what it did not show is
// removed at its end when it was complete.
void dp_net_tables_dump_begin(struct net_tables *t);
void dp_net_tables_dump_end(struct net_tables *t, bool complete);

// ---- link.c
void dp_net_link_apply(struct net_tables *t, const struct nlmsghdr *message);
void dp_net_link_sweep(struct net_tables *t);
// Slot of an interface, -1 when it is none of ours.
int dp_net_link_find(const struct net_tables *t, uint32_t ifindex);

// ---- hop.c
int dp_net_hops_init(struct net_tables *t);
void dp_net_hops_fini(struct net_tables *t);
// Workers too: entry of a neighbour, DP_NEXT_HOP_NONE when there is none.
uint16_t dp_net_hop_find(const struct net_tables *t, uint32_t ifindex, const struct tp_ip *ip);
// Takes a reference; makes the entry and asks for it when there is none. DP_NEXT_HOP_NONE when full
// or the interface is none of ours.
uint16_t dp_net_hop_hold(struct net_tables *t, uint32_t ifindex, const struct tp_ip *ip);
void dp_net_hop_release(struct net_tables *t, uint16_t index);
// Asks again: unresolved ones at each call (bounded), those that nobody keeps fresh at every tenth.
void dp_net_hops_tick(struct net_tables *t, uint64_t round);
void dp_net_hops_link_changed(struct net_tables *t, const struct net_link *link);
void dp_net_hops_link_gone(struct net_tables *t, uint32_t ifindex);
uint32_t dp_net_hops_unresolved(const struct net_tables *t);
void dp_net_hops_memory(const struct net_tables *t, struct tp_memory *out);
// What the kernel says about a neighbour; `mac` NULL: not resolved.
void dp_net_hop_update(struct net_tables *t, uint32_t ifindex, const struct tp_ip *ip,
	const uint8_t *mac, bool managed, bool permanent);
void dp_net_hops_sweep(struct net_tables *t);

// ---- neighbour.c
void dp_net_neighbour_apply(struct net_tables *t, const struct nlmsghdr *message);

// ---- route.c
int dp_net_routes_init(struct net_tables *t);
void dp_net_routes_fini(struct net_tables *t);
void dp_net_routes_memory(const struct net_tables *t, struct tp_memory *out);
// By prefix, table and metric; NULL when there is none.
struct net_route *dp_net_route_find(struct net_tables *t, const struct net_route *key);
// Takes over the reference that a gateway in content->value stands for.
void dp_net_route_set(struct net_tables *t, const struct net_route *content);
void dp_net_route_remove(struct net_tables *t, const struct net_route *key);
void dp_net_routes_sweep(struct net_tables *t);
// Workers too: value of the longest matching prefix, see NET_ON_LINK; NET_DEFAULT and NET_NO_SENDER
// never.
uint16_t dp_net_route_lookup(const struct net_tables *t, const struct tp_ip *ip);
// Workers too: whether the kernel has this address, or a prefix around it, as its own or as no
// host's: broadcast, anycast, multicast.
bool dp_net_route_no_sender(const struct net_tables *t, const struct tp_ip *ip);

// ---- route_message.c
void dp_net_route_apply(struct net_tables *t, const struct nlmsghdr *message);

// ---- attr.c
struct nlattr;
// Points table[type] at the attributes of a message after a header of `header_bytes`; types beyond
// `max` are skipped. False when the message is shorter than its header.
bool dp_net_attrs(const struct nlmsghdr *message, size_t header_bytes, const struct nlattr *table[],
	uint16_t max);
void dp_net_attrs_nested(const struct nlattr *nest, const struct nlattr *table[], uint16_t max);
// Value of an attribute; `otherwise` when it is absent or short.
uint32_t dp_net_attr_u32(const struct nlattr *attr, uint32_t otherwise);
// An address of an AF_INET or AF_INET6 attribute; false when absent or of another length.
bool dp_net_attr_ip(const struct nlattr *attr, int family, struct tp_ip *out);
bool dp_net_ip_from(int family, const void *bytes, size_t length, struct tp_ip *out);
