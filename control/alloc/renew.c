// SPDX-License-Identifier: BSD-3-Clause
// Another policy for a store in use.
#include <assert.h>

#include "control/alloc/store_private.h"

void ctl_store_renew(struct ctl_store *s, const struct ctl_store_policy *policy)
{
	struct ctl_store_policy fresh = *policy;
	bool rates = fresh.rate_bytes_per_s != s->policy.rate_bytes_per_s ||
		     fresh.rate_packets_per_s != s->policy.rate_packets_per_s;

	assert(fresh.n_relays == s->policy.n_relays && fresh.n_listeners == s->policy.n_listeners &&
		fresh.port_min == s->policy.port_min && fresh.port_max == s->policy.port_max);
	s->policy = fresh;
	if (rates)
		s->renew_next = 0;
}

bool ctl_store_renew_step(struct ctl_store *s, struct ctl_time now, uint32_t max, uint32_t reserve)
{
	for (; max > 0 && s->renew_next < s->alloc_capacity; max--) {
		const struct tp_alloc_record *r = &s->allocs[s->renew_next];
		struct ctl_change change = {};

		if (ctl_room(s) <= reserve)
			return true;
		s->renew_next++;
		if (r->state != TP_RECORD_LIVE || r->deadline_ns <= now.now_ns)
			continue;
		ctl_send_alloc_set(s, r, &change);
		if (change.last_sequence) // not of one over TCP
			s->renew_sequence = change.last_sequence;
	}
	return s->renew_next < s->alloc_capacity;
}
