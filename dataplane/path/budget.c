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
	dp_budget_set(budget, &(struct dp_settings_values){
				      .address_cost_ns = dp_budget_cost_ns(rates->per_address),
				      .network_cost_ns = dp_budget_cost_ns(rates->per_network),
				      .punt_cost_ns = dp_budget_cost_ns(rates->punts),
				      .unproven_cost_ns = dp_budget_cost_ns(rates->unproven)});
	return budget;
}

void dp_budget_set(struct dp_budget *budget, const struct dp_settings_values *settings)
{
	budget->cost_ns[0] = settings->address_cost_ns;
	budget->cost_ns[1] = settings->network_cost_ns;
	budget->punt_cost_ns = settings->punt_cost_ns;
	budget->unproven_cost_ns = settings->unproven_cost_ns;
}

void dp_budget_destroy(struct dp_budget *budget)
{
	rte_free(budget);
}

// Takes one request out, if it fits; a whole budget has room for one whatever it costs.
static bool take(uint64_t *whole_ns, uint64_t cost_ns, uint64_t now_ns)
{
	uint64_t from_ns = *whole_ns > now_ns ? *whole_ns : now_ns;

	if (cost_ns == 0)
		return true;
	if (from_ns - now_ns + cost_ns > DEPTH_NS && from_ns > now_ns)
		return false;
	*whole_ns = from_ns + cost_ns;
	return true;
}

enum budget_of {
	OF_REQUESTS,
	OF_PUNTS,
};

static uint64_t hash(const struct dp_budget *budget, enum budget_of what, uint8_t family,
	const uint8_t *ip, uint32_t bytes)
{
	uint8_t input[3 + 8] = {(uint8_t)what, family, (uint8_t)bytes};

	memcpy(input + 3, ip, bytes);
	uint64_t h = tp_siphash(&budget->key, input, 3 + bytes);
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

// Bytes of the prefix of an address and of a network, by family.
static const uint8_t prefix_bytes[2][2] = {{4, 3}, {8, 7}};

bool dp_budget_source(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns)
{
	const uint8_t *bytes = prefix_bytes[family == TP_FAMILY_IPV6];

	for (int i = 0; i < 2; i++) {
		uint64_t cost_ns = budget->cost_ns[i];
		if (cost_ns == 0)
			continue;
		uint64_t tag = hash(budget, OF_REQUESTS, family, ip, bytes[i]);
		if (!take(&find(budget, tag)->whole_ns, cost_ns, now_ns))
			return false;
	}
	return true;
}

bool dp_budget_punt(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns)
{
	const uint8_t *bytes = prefix_bytes[family == TP_FAMILY_IPV6];
	uint64_t cost_ns = budget->punt_cost_ns;
	// Shares of half and three quarters.
	const uint64_t share_cost_ns[2] = {2 * cost_ns, cost_ns + (cost_ns + 2) / 3};

	if (cost_ns == 0)
		return true;
	for (int i = 0; i < 2; i++) {
		uint64_t tag = hash(budget, OF_PUNTS, family, ip, bytes[i]);
		if (!take(&find(budget, tag)->whole_ns, share_cost_ns[i], now_ns))
			return false;
	}
	return take(&budget->punt_whole_ns, cost_ns, now_ns);
}

bool dp_budget_unproven(struct dp_budget *budget, uint64_t now_ns)
{
	return take(&budget->unproven_whole_ns, budget->unproven_cost_ns, now_ns);
}
