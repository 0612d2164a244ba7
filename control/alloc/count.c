// SPDX-License-Identifier: BSD-3-Clause
// The same records and another run of the dataplane: it counts from zero.
#include "control/alloc/adopt.h"
#include "control/alloc/store_private.h"

// May be cut short and done again: carried and snapshot are the same then.
void ctl_store_count_anew(struct ctl_store *s)
{
	uint64_t instance = s->header->instance;
	// 0: nothing was counted here, or by a control that never met a kept region.
	if (s->counted->instance != 0 && s->counted->instance != instance)
		for (uint32_t i = 0; i < s->alloc_capacity; i++) {
			struct tp_alloc_record *r = &s->allocs[i];
			if (r->state != TP_RECORD_LIVE)
				continue;
			ctl_record_begin(s, r);
			r->carried = r->snapshot;
			ctl_record_end(s, r);
		}
	s->counted->instance = instance;
}
