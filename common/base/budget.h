// SPDX-License-Identifier: BSD-3-Clause
// Budgets by source: of an address and of the network around it (IPv4 /32 and /24, IPv6 /64 and
// /56), in tables of fixed size, which are zero at first. A budget holds one second's worth of its
// rate. The hash is keyed, so nobody can aim at a set. A prefix that is met for the first time has
// its whole budget and takes the place of the one in its set that has used its own the least: a
// flood of prefixes makes a table forget, it never makes it refuse somebody it has not seen.
#pragma once

#include <stdalign.h>

#include "common/base/addr.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/mix.h"

#define TP_BUDGET_WAYS 8

// When a budget would be whole again; its distance from now is what is used up. Tag 0: free.
struct tp_budget_entry {
	uint64_t tag;
	uint64_t whole_ns;
};

struct tp_budget_set {
	alignas(64) struct tp_budget_entry way[TP_BUDGET_WAYS];
};
static_assert(sizeof(struct tp_budget_set) == 128);

// What one request takes of a budget, in nanoseconds of its rate; 0: no limit.
static inline uint64_t tp_budget_cost_ns(uint32_t rate_per_s)
{
	return rate_per_s == 0 ? 0 : rate_per_s > TP_NS_PER_S ? 1 : TP_NS_PER_S / rate_per_s;
}

// Takes one request out, if it fits; a whole budget has room for one whatever it costs.
static inline bool tp_budget_take(uint64_t *whole_ns, uint64_t cost_ns, uint64_t now_ns)
{
	uint64_t from_ns = *whole_ns > now_ns ? *whole_ns : now_ns;

	if (cost_ns == 0)
		return true;
	if (from_ns - now_ns + cost_ns > TP_NS_PER_S && from_ns > now_ns)
		return false;
	*whole_ns = from_ns + cost_ns;
	return true;
}

// Of the prefix around an address, or of the network around that. `ip` has 16 bytes; `what` tells
// apart the kinds of requests that share sets.
static inline uint64_t tp_budget_tag(const struct tp_siphash_key *key, uint8_t what, uint8_t family,
	const uint8_t *ip, bool network)
{
	uint64_t prefix = family == TP_FAMILY_IPV6 ? tp_rd64(ip) : tp_rd32(ip), secret[2];
	uint64_t kind = what | (uint64_t)family << 8 | (uint64_t)network << 16;

	memcpy(secret, key->bytes, sizeof(secret));
	if (network)
		prefix &= ~UINT64_C(0xff);
	uint64_t h = tp_mix(prefix ^ secret[0], kind ^ secret[1]);
	h = tp_mix(h ^ secret[1], secret[0] ^ TP_MIX_ODD);
	return h != 0 ? h : 1;
}

// The entry of a prefix, or the one that gives way to it, with the whole budget.
static inline struct tp_budget_entry *tp_budget_find(struct tp_budget_set *set, uint64_t tag)
{
	struct tp_budget_entry *least = &set->way[0];

	for (int i = 0; i < TP_BUDGET_WAYS; i++) {
		struct tp_budget_entry *entry = &set->way[i];
		if (entry->tag == tag)
			return entry;
		if (entry->whole_ns < least->whole_ns)
			least = entry;
	}
	*least = (struct tp_budget_entry){.tag = tag};
	return least;
}

// Tags of an address and of its network; none of one without limit.
static inline void tp_budget_tags(const struct tp_siphash_key *key, uint8_t what, uint8_t family,
	const uint8_t *ip, const uint64_t cost_ns[2], uint64_t tag[2])
{
	for (int i = 0; i < 2; i++)
		tag[i] = cost_ns[i] == 0 ? 0 : tp_budget_tag(key, what, family, ip, i == 1);
}

// Takes one request out of the budget of an address, then of its network: `cost_ns` of both; false
// when either is used up (what the address gave is not given back).
static inline bool tp_budget_take_tagged(struct tp_budget_set *sets, uint32_t n_sets,
	const uint64_t tag[2], const uint64_t cost_ns[2], uint64_t now_ns)
{
	for (int i = 0; i < 2; i++) {
		if (tag[i] == 0)
			continue;
		struct tp_budget_entry *entry = tp_budget_find(&sets[tag[i] % n_sets], tag[i]);
		if (!tp_budget_take(&entry->whole_ns, cost_ns[i], now_ns))
			return false;
	}
	return true;
}

static inline bool tp_budget_source(struct tp_budget_set *sets, uint32_t n_sets,
	const struct tp_siphash_key *key, uint8_t what, uint8_t family, const uint8_t *ip,
	const uint64_t cost_ns[2], uint64_t now_ns)
{
	uint64_t tag[2];

	tp_budget_tags(key, what, family, ip, cost_ns, tag);
	return tp_budget_take_tagged(sets, n_sets, tag, cost_ns, now_ns);
}

// What one request of a budget that all share takes of the shares in it that one address and one
// network get at most: half of it, and three quarters.
static inline void tp_budget_shares(uint64_t cost_ns, uint64_t out[2])
{
	out[0] = 2 * cost_ns;
	out[1] = cost_ns + (cost_ns + 2) / 3;
}
