// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/budget.h"

#include <rte_malloc.h>

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
				      .address_cost_ns = tp_budget_cost_ns(rates->per_address),
				      .network_cost_ns = tp_budget_cost_ns(rates->per_network),
				      .punt_cost_ns = tp_budget_cost_ns(rates->punts),
				      .unproven_cost_ns = tp_budget_cost_ns(rates->unproven)});
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

enum budget_of {
	OF_REQUESTS,
	OF_PUNTS,
	OF_DTLS,
};

void dp_budget_fetch(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t tag[2])
{
	tp_budget_tags(&budget->key, OF_REQUESTS, family, ip, budget->cost_ns, tag);
	for (int i = 0; i < 2; i++) {
		const struct tp_budget_set *set = &budget->set[tag[i] % DP_BUDGET_SETS];

		__builtin_prefetch(&set->way[0], 1, 3);
		__builtin_prefetch(&set->way[TP_BUDGET_WAYS / 2], 1, 3);
	}
}

bool dp_budget_fetched(struct dp_budget *budget, const uint64_t tag[2], uint64_t now_ns)
{
	return tp_budget_take_tagged(budget->set, DP_BUDGET_SETS, tag, budget->cost_ns, now_ns);
}

bool dp_budget_source(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns)
{
	uint64_t tag[2];

	tp_budget_tags(&budget->key, OF_REQUESTS, family, ip, budget->cost_ns, tag);
	return dp_budget_fetched(budget, tag, now_ns);
}

// Out of a budget of all, of which an address and a network have shares.
static bool take_share(struct dp_budget *budget, enum budget_of what, uint64_t *whole_ns,
	uint8_t family, const uint8_t *ip, uint64_t now_ns)
{
	uint64_t cost_ns = budget->punt_cost_ns, share_cost_ns[2];

	if (cost_ns == 0)
		return true;
	tp_budget_shares(cost_ns, share_cost_ns);
	return tp_budget_source(budget->set, DP_BUDGET_SETS, &budget->key, (uint8_t)what, family,
		       ip, share_cost_ns, now_ns) &&
	       tp_budget_take(whole_ns, cost_ns, now_ns);
}

bool dp_budget_punt(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns)
{
	return take_share(budget, OF_PUNTS, &budget->punt_whole_ns, family, ip, now_ns);
}

bool dp_budget_dtls(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns)
{
	return take_share(budget, OF_DTLS, &budget->dtls_whole_ns, family, ip, now_ns);
}

bool dp_budget_dtls_unproven(struct dp_budget *budget, uint64_t now_ns)
{
	return tp_budget_take(&budget->dtls_unproven_whole_ns, budget->unproven_cost_ns, now_ns);
}

bool dp_budget_unproven(struct dp_budget *budget, uint64_t now_ns)
{
	return tp_budget_take(&budget->unproven_whole_ns, budget->unproven_cost_ns, now_ns);
}
