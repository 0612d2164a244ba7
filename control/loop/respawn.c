// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/respawn.h"

#include "common/base/clock.h"

void ctl_respawn_init(struct ctl_respawn *r, uint32_t wanted, uint32_t wait_ms, uint64_t now_ns)
{
	*r = (struct ctl_respawn){
		.wanted = wanted, .not_before_ns = now_ns + wait_ms * TP_NS_PER_MS};
}

uint32_t ctl_respawn_due(struct ctl_respawn *r, uint32_t there, uint64_t now_ns)
{
	if (there >= r->wanted) {
		if (r->complete_ns == 0)
			r->complete_ns = now_ns;
		return 0;
	}
	if (r->complete_ns != 0)
		r->stayed_ms = (now_ns - r->complete_ns) / TP_NS_PER_MS;
	r->complete_ns = 0;
	if (now_ns < r->not_before_ns)
		return 0;
	// All of them are of one machine: nothing is gained by chance.
	r->not_before_ns = now_ns + tp_backoff_after(&r->backoff, r->stayed_ms, 0) * TP_NS_PER_MS;
	r->stayed_ms = 0;
	return r->wanted - there;
}

uint64_t ctl_respawn_deadline(const struct ctl_respawn *r, uint32_t there)
{
	return there >= r->wanted ? UINT64_MAX : r->not_before_ns;
}
