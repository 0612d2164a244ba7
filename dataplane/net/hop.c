// SPDX-License-Identifier: BSD-3-Clause
// Next hops by neighbour: a chained hash whose links are indices. Workers walk it without a lock;
// an entry taken out keeps its content and its link until no reader can stand on it.
#include <errno.h>
#include <stdlib.h>

#include <rte_jhash.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "dataplane/net/tables.h"

// Requests to the kernel that one tick may cost.
#define ASKS_PER_TICK 256
// Ticks between two requests for a neighbour that the kernel does not keep fresh by itself.
#define REFRESH_TICKS 10

int dp_net_hops_init(struct net_tables *t)
{
	struct net_hops *h = &t->hops;

	h->hop = t->dp->next_hops;
	h->bucket = calloc(NET_HOP_BUCKETS, sizeof(*h->bucket));
	h->next = calloc(DP_NEXT_HOP_MAX, sizeof(*h->next));
	h->notes = calloc(DP_NEXT_HOP_MAX, sizeof(*h->notes));
	h->free_ring = calloc(DP_NEXT_HOP_MAX, sizeof(*h->free_ring));
	if (!h->bucket || !h->next || !h->notes || !h->free_ring)
		return -ENOMEM;
	for (uint32_t i = 1; i < DP_NEXT_HOP_MAX; i++)
		h->free_ring[i - 1] = (uint16_t)i;
	h->free_count = DP_NEXT_HOP_MAX - 1;
	return tp_random_bytes(&h->secret, sizeof(h->secret));
}

void dp_net_hops_fini(struct net_tables *t)
{
	struct net_hops *h = &t->hops;

	for (uint32_t i = 1; h->notes && i < DP_NEXT_HOP_MAX; i++)
		if (h->notes[i].asked && h->notes[i].used)
			t->asker.ask(t->asker.context, NET_WISH_DROP, h->hop[i].ifindex,
				&h->hop[i].address);
	free(h->bucket);
	free(h->next);
	free(h->notes);
	free(h->free_ring);
	memset(h, 0, sizeof(*h));
}

static uint32_t bucket_of(const struct net_hops *h, uint32_t ifindex, const struct tp_ip *ip)
{
	return rte_jhash(ip, sizeof(*ip), h->secret ^ ifindex) & (NET_HOP_BUCKETS - 1);
}

uint16_t dp_net_hop_find(const struct net_tables *t, uint32_t ifindex, const struct tp_ip *ip)
{
	const struct net_hops *h = &t->hops;
	uint32_t b = bucket_of(h, ifindex, ip);
	uint16_t i = atomic_load_explicit(&h->bucket[b], memory_order_acquire);

	// Bounded: an entry that is re-used under a reader's feet could send it round.
	for (uint32_t steps = 0; i != 0 && steps < DP_NEXT_HOP_MAX; steps++) {
		if (h->hop[i].ifindex == ifindex && tp_ip_equal(&h->hop[i].address, ip))
			return i;
		i = atomic_load_explicit(&h->next[i], memory_order_acquire);
	}
	return DP_NEXT_HOP_NONE;
}

// The longest-freed entry, when no worker can still use it.
static uint16_t take_free(struct net_tables *t)
{
	struct net_hops *h = &t->hops;
	uint16_t i;

	if (h->free_count == 0)
		return DP_NEXT_HOP_NONE;
	i = h->free_ring[h->free_head];
	if (h->notes[i].token && t->dp->qsbr &&
		!rte_rcu_qsbr_check(t->dp->qsbr, h->notes[i].token, false))
		return DP_NEXT_HOP_NONE;
	h->free_head = (h->free_head + 1) % DP_NEXT_HOP_MAX;
	h->free_count--;
	return i;
}

static void give_free(struct net_tables *t, uint16_t i)
{
	struct net_hops *h = &t->hops;

	h->notes[i].token = t->dp->qsbr ? rte_rcu_qsbr_start(t->dp->qsbr) : 0;
	h->free_ring[(h->free_head + h->free_count) % DP_NEXT_HOP_MAX] = i;
	h->free_count++;
}

static uint16_t hop_create(struct net_tables *t, uint32_t ifindex, const struct tp_ip *ip)
{
	struct net_hops *h = &t->hops;
	uint32_t b = bucket_of(h, ifindex, ip);
	int slot = dp_net_link_find(t, ifindex);
	uint16_t i = slot < 0 ? DP_NEXT_HOP_NONE : take_free(t);
	struct dp_next_hop *hop = &h->hop[i];

	if (i == DP_NEXT_HOP_NONE)
		return i;
	memset(&h->notes[i], 0, sizeof(h->notes[i]));
	h->notes[i].used = true;
	h->notes[i].seen = t->epoch;
	atomic_store_explicit(&hop->mac_state, 0, memory_order_relaxed);
	hop->port = t->links[slot].port;
	hop->vlan = t->links[slot].vlan;
	hop->mtu = t->links[slot].mtu;
	hop->address = *ip;
	hop->ifindex = ifindex;
	hop->references = 0;
	h->idle++;
	atomic_store_explicit(&h->next[i],
		atomic_load_explicit(&h->bucket[b], memory_order_relaxed), memory_order_relaxed);
	atomic_store_explicit(&h->bucket[b], i, memory_order_release);
	return i;
}

static void hop_unlink(struct net_tables *t, uint16_t index)
{
	struct net_hops *h = &t->hops;
	uint32_t b = bucket_of(h, h->hop[index].ifindex, &h->hop[index].address);
	_Atomic uint16_t *link = &h->bucket[b];
	uint16_t i;

	while ((i = atomic_load_explicit(link, memory_order_relaxed)) != index) {
		assert(i != 0);
		link = &h->next[i];
	}
	atomic_store_explicit(link, atomic_load_explicit(&h->next[index], memory_order_relaxed),
		memory_order_release);
	h->notes[index].used = false;
}

// Takes an entry that nobody holds out of the hash.
static void hop_remove_idle(struct net_tables *t, uint16_t index)
{
	hop_unlink(t, index);
	t->hops.idle--;
	atomic_store_explicit(&t->hops.hop[index].mac_state, 0, memory_order_relaxed);
	give_free(t, index);
}

// May re-enter the tables: the kernel's answer is applied before it returns.
static void ask(struct net_tables *t, uint16_t index)
{
	const struct dp_next_hop *hop = &t->hops.hop[index];

	if (t->hops.notes[index].permanent || !t->hops.notes[index].used)
		return;
	t->hops.notes[index].asked = true;
	t->asker.ask(t->asker.context, NET_WISH_KEEP, hop->ifindex, &hop->address);
}

uint16_t dp_net_hop_hold(struct net_tables *t, uint32_t ifindex, const struct tp_ip *ip)
{
	uint16_t i = dp_net_hop_find(t, ifindex, ip);

	if (i == DP_NEXT_HOP_NONE)
		i = hop_create(t, ifindex, ip);
	if (i == DP_NEXT_HOP_NONE)
		return i;
	if (t->hops.hop[i].references++ > 0)
		return i;
	t->hops.idle--;
	t->hops.held++;
	ask(t, i);
	return i;
}

void dp_net_hop_release(struct net_tables *t, uint16_t index)
{
	struct net_hops *h = &t->hops;
	struct dp_next_hop *hop = &h->hop[index];

	if (index == DP_NEXT_HOP_NONE)
		return;
	assert(index < DP_NEXT_HOP_MAX && hop->references > 0);
	if (--hop->references > 0)
		return;
	h->held--;
	if (!h->notes[index].used) { // its interface went away while it was held
		give_free(t, index);
		return;
	}
	h->idle++;
	if (h->notes[index].asked && !h->notes[index].permanent)
		t->asker.ask(t->asker.context, NET_WISH_DROP, hop->ifindex, &hop->address);
	h->notes[index].asked = false;
	// The kernel's answer may have removed or even re-used it.
	if (h->notes[index].used && hop->references == 0 &&
		(!(atomic_load_explicit(&hop->mac_state, memory_order_relaxed) & DP_MAC_RESOLVED) ||
			h->idle > NET_IDLE_HOPS_MAX))
		hop_remove_idle(t, index);
}

static bool is_resolved(const struct dp_next_hop *hop)
{
	return atomic_load_explicit(&hop->mac_state, memory_order_relaxed) & DP_MAC_RESOLVED;
}

void dp_net_hops_tick(struct net_tables *t, uint64_t round)
{
	struct net_hops *h = &t->hops;
	uint32_t asks = 0, i = h->round_from;

	for (uint32_t n = 0; n < DP_NEXT_HOP_MAX && asks < ASKS_PER_TICK; n++) {
		i = (i + 1) % DP_NEXT_HOP_MAX;
		if (i == 0 || !h->notes[i].used || h->hop[i].references == 0)
			continue;
		if (is_resolved(&h->hop[i]) &&
			(h->notes[i].managed || (round + i) % REFRESH_TICKS != 0))
			continue;
		ask(t, (uint16_t)i);
		asks++;
	}
	h->round_from = i;
}

uint32_t dp_net_hops_unresolved(const struct net_tables *t)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i < DP_NEXT_HOP_MAX; i++)
		n += t->hops.hop[i].references > 0 && !is_resolved(&t->hops.hop[i]);
	return n;
}

void dp_net_hops_link_changed(struct net_tables *t, const struct net_link *link)
{
	uint32_t ifindex = atomic_load_explicit(&link->ifindex, memory_order_relaxed);

	for (uint32_t i = 1; i < DP_NEXT_HOP_MAX; i++)
		if (t->hops.notes[i].used && t->hops.hop[i].ifindex == ifindex)
			__atomic_store_n(&t->hops.hop[i].mtu, link->mtu, __ATOMIC_RELAXED);
}

void dp_net_hops_link_gone(struct net_tables *t, uint32_t ifindex)
{
	struct net_hops *h = &t->hops;

	for (uint32_t i = 1; i < DP_NEXT_HOP_MAX; i++) {
		if (!h->notes[i].used || h->hop[i].ifindex != ifindex)
			continue;
		if (h->hop[i].references == 0) {
			hop_remove_idle(t, (uint16_t)i);
			continue;
		}
		// Who holds it looks again when the generation moves, and releases it.
		hop_unlink(t, (uint16_t)i);
		atomic_store_explicit(&h->hop[i].mac_state, 0, memory_order_relaxed);
	}
	atomic_fetch_add_explicit(&t->generation, 1, memory_order_relaxed);
}

void dp_net_hops_sweep(struct net_tables *t)
{
	struct net_hops *h = &t->hops;

	for (uint32_t i = 1; i < DP_NEXT_HOP_MAX; i++) {
		if (!h->notes[i].used || h->notes[i].seen == t->epoch)
			continue;
		h->notes[i].managed = false;
		h->notes[i].permanent = false;
		atomic_store_explicit(&h->hop[i].mac_state, 0, memory_order_relaxed);
		if (h->hop[i].references == 0)
			hop_remove_idle(t, (uint16_t)i);
	}
}

void dp_net_hop_update(struct net_tables *t, uint32_t ifindex, const struct tp_ip *ip,
	const uint8_t *mac, bool managed, bool permanent)
{
	struct net_hops *h = &t->hops;
	uint16_t i = dp_net_hop_find(t, ifindex, ip);
	uint64_t state = 0;

	if (i == DP_NEXT_HOP_NONE && mac && h->idle < NET_IDLE_HOPS_MAX)
		i = hop_create(t, ifindex, ip);
	if (i == DP_NEXT_HOP_NONE)
		return;
	if (mac) {
		memcpy(&state, mac, RTE_ETHER_ADDR_LEN);
		state |= DP_MAC_RESOLVED;
	}
	h->notes[i].seen = t->epoch;
	h->notes[i].managed = managed;
	h->notes[i].permanent = permanent;
	atomic_store_explicit(&h->hop[i].mac_state, state, memory_order_relaxed);
	if (!mac && h->hop[i].references == 0)
		hop_remove_idle(t, i);
}

void dp_net_hops_memory(const struct net_tables *t, struct tp_memory *out)
{
	const struct net_hops *h = &t->hops;

	tp_memory_block(
		out, TP_MEMORY_routes, TP_MEMORY_dpdk, h->hop, DP_NEXT_HOP_MAX * sizeof(*h->hop));
	tp_memory_block(out, TP_MEMORY_routes, TP_MEMORY_heap, h->bucket,
		NET_HOP_BUCKETS * sizeof(*h->bucket));
	tp_memory_block(
		out, TP_MEMORY_routes, TP_MEMORY_heap, h->next, DP_NEXT_HOP_MAX * sizeof(*h->next));
	tp_memory_block(out, TP_MEMORY_routes, TP_MEMORY_heap, h->notes,
		DP_NEXT_HOP_MAX * sizeof(*h->notes));
	tp_memory_block(out, TP_MEMORY_routes, TP_MEMORY_heap, h->free_ring,
		DP_NEXT_HOP_MAX * sizeof(*h->free_ring));
}
