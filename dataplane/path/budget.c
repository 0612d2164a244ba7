// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/budget.h"

#include <rte_malloc.h>

#include "common/base/clock.h"

#define DEPTH_NS TP_NS_PER_S

struct dp_budget *dp_budget_create(const struct dp_budget_rates *rates, int socket)
{
	struct dp_budget *budget =
		rte_zmalloc_socket("budget", sizeof(*budget), RTE_CACHE_LINE_SIZE, socket);

	if (budget == NULL)
		return NULL;
	if (tp_random_bytes(&budget->key, sizeof(budget->key)) < 0) {
		rte_free(budget);
		return NULL;
	}
	budget->cost_ns[0] = rates->per_address ? TP_NS_PER_S / rates->per_address : 0;
	budget->cost_ns[1] = rates->per_network ? TP_NS_PER_S / rates->per_network : 0;
	budget->punt_cost_ns = rates->punts ? TP_NS_PER_S / rates->punts : 0;
	return budget;
}

void dp_budget_destroy(struct dp_budget *budget)
{
	rte_free(budget);
}

// Whether one more fits.
static bool fits(uint64_t whole_ns, uint64_t cost_ns, uint64_t now_ns)
{
	return whole_ns <= now_ns || whole_ns - now_ns + cost_ns <= DEPTH_NS;
}

static uint64_t charged(uint64_t whole_ns, uint64_t cost_ns, uint64_t now_ns)
{
	return (whole_ns > now_ns ? whole_ns : now_ns) + cost_ns;
}

static uint64_t hash(
	const struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint32_t bytes)
{
	uint8_t input[2 + 8] = {family, (uint8_t)bytes};

	memcpy(input + 2, ip, bytes);
	uint64_t h = tp_siphash(&budget->key, input, 2 + bytes);
	return h != 0 ? h : 1;
}

// The entry of a prefix, or the one that gives way to it, with the whole budget.
static struct dp_budget_entry *find(struct dp_budget *budget, uint64_t tag)
{
	struct dp_budget_set *set = &budget->set[tag % DP_BUDGET_SETS];
	struct dp_budget_entry *least = &set->way[0];

	for (int i = 0; i < DP_BUDGET_WAYS; i++) {
		struct dp_budget_entry *entry = &set->way[i];
		if (entry->tag == tag)
			return entry;
		if (entry->whole_ns < least->whole_ns)
			least = entry;
	}
	*least = (struct dp_budget_entry){.tag = tag};
	return least;
}

bool dp_budget_source(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns)
{
	static const uint8_t bytes[2][2] = {{4, 3}, {8, 7}};
	bool ipv6 = family == TP_FAMILY_IPV6;

	for (int i = 0; i < 2; i++) {
		uint64_t cost_ns = budget->cost_ns[i];
		if (cost_ns == 0)
			continue;
		struct dp_budget_entry *e = find(budget, hash(budget, family, ip, bytes[ipv6][i]));
		if (!fits(e->whole_ns, cost_ns, now_ns))
			return false;
		e->whole_ns = charged(e->whole_ns, cost_ns, now_ns);
	}
	return true;
}

bool dp_budget_punt(struct dp_budget *budget, uint64_t now_ns)
{
	if (budget->punt_cost_ns == 0)
		return true;
	if (!fits(budget->punt_whole_ns, budget->punt_cost_ns, now_ns))
		return false;
	budget->punt_whole_ns = charged(budget->punt_whole_ns, budget->punt_cost_ns, now_ns);
	return true;
}
