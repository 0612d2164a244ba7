// SPDX-License-Identifier: BSD-3-Clause
#include "control/io/stream_budget.h"

#include <errno.h>
#include <stdlib.h>

enum {
	OF_SOURCES,
	OF_SHARES, // of the budget of all
};

int ctl_stream_budget_create(struct ctl_stream_budget **out)
{
	struct ctl_stream_budget *b = aligned_alloc(alignof(struct ctl_stream_budget), sizeof(*b));
	int rc;

	*out = NULL;
	if (!b)
		return -ENOMEM;
	memset(b, 0, sizeof(*b));
	rc = tp_random_bytes(&b->key, sizeof(b->key));
	if (rc == 0)
		*out = b;
	else
		free(b);
	return rc;
}

void ctl_stream_budget_destroy(struct ctl_stream_budget *b)
{
	free(b);
}

bool ctl_stream_budget_take(struct ctl_stream_budget *b,
	const struct ctl_stream_budget_rates *rates, const struct tp_ip *ip, uint64_t now_ns)
{
	const uint64_t all = tp_budget_cost_ns(rates->all);
	const uint64_t source[2] = {
		tp_budget_cost_ns(rates->per_address), tp_budget_cost_ns(rates->per_network)};
	uint64_t share[2];

	tp_budget_shares(all, share);
	return tp_budget_source(b->set, CTL_STREAM_BUDGET_SETS, &b->key, OF_SOURCES, ip->family,
		       ip->bytes, source, now_ns) &&
	       tp_budget_source(b->set, CTL_STREAM_BUDGET_SETS, &b->key, OF_SHARES, ip->family,
		       ip->bytes, share, now_ns) &&
	       tp_budget_take(&b->all_whole_ns, all, now_ns);
}
