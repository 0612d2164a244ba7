// SPDX-License-Identifier: BSD-3-Clause
// A new region for the same records: the dataplane was restarted, or gives us our layout again
// after a control of another one.
#include <stdlib.h>

#include "control/alloc/adopt.h"
#include "control/alloc/store_private.h"

#define PIECE 4096 // a page

static void copy_header(struct tp_region_header *to, struct tp_region_header *from)
{
	to->node_id = from->node_id;
	to->next_uid = from->next_uid;
	memcpy(to->uid_prefix, from->uid_prefix, sizeof(to->uid_prefix));
	memcpy(to->nonce_key, from->nonce_key, sizeof(to->nonce_key));
	to->control_generation = from->control_generation;
	*tp_region_relays(to) = *tp_region_relays(from);
}

// Bytes that are the same place in both, but for what was never written: that stays without a page.
static void copy_written(struct ctl_store *from, void *to, const void *at, uint64_t bytes)
{
	uint64_t offset = (uint64_t)((const uint8_t *)at - (const uint8_t *)from->header);

	for (uint64_t done = 0, piece; done < bytes; done += piece) {
		piece = PIECE - (offset + done) % PIECE;
		piece = bytes - done < piece ? bytes - done : piece;
		if (ctl_written(&from->written, offset + done, piece))
			memcpy((uint8_t *)to + done, (const uint8_t *)at + done, piece);
	}
}

// Copies what fits; returns how many records in use did not.
static uint32_t copy_records(struct ctl_store *to, struct ctl_store *from)
{
#define FEWER(field) (to->field < from->field ? to->field : from->field)
	memcpy(to->allocs, from->allocs, FEWER(alloc_capacity) * sizeof(*to->allocs));
	ctl_written_anew(&from->written);
	copy_written(from, to->peers, from->peers, FEWER(peer_capacity) * sizeof(*to->peers));
	copy_written(from, to->names, from->names, FEWER(name_capacity) * sizeof(*to->names));
	// Another run of the dataplane counts from zero: what was read so far is carried.
	bool anew = from->counted->instance != to->header->instance;
	for (uint32_t i = 0; anew && i < FEWER(alloc_capacity); i++)
		if (to->allocs[i].state == TP_RECORD_LIVE)
			to->allocs[i].carried = to->allocs[i].snapshot;
	uint32_t lost = 0;
	for (uint32_t i = FEWER(alloc_capacity); i < from->alloc_capacity; i++)
		lost += from->allocs[i].state == TP_RECORD_LIVE;
#undef FEWER
	return lost;
}

// What did not come over has ended, which nobody else tells those who hold its connections.
static void tell_of_lost(const struct ctl_store *s, const struct ctl_store *old)
{
	for (uint32_t i = 0; s->ended && i < old->alloc_capacity; i++) {
		const struct tp_alloc_record *r = &old->allocs[i];
		if (r->state == TP_RECORD_LIVE && ctl_over_tcp(r) && !ctl_live(s, r->self))
			s->ended(s->ended_context, r, TP_FAMILY_NONE);
	}
}

int ctl_store_move(struct ctl_store *s, void *region, size_t region_bytes, int region_fd,
	struct ctl_time now, struct ctl_adoption *report)
{
	struct ctl_adoption local;
	if (!report)
		report = &local;
	struct ctl_store_options options = {.region = region,
		.region_bytes = region_bytes,
		.region_fd = region_fd,
		.policy = &s->policy,
		.commands = s->commands,
		.random = s->draw.random,
		.working = s->working};
	struct ctl_store *fresh;
	int rc = ctl_store_create(&options, &fresh);
	if (rc)
		return rc;
	copy_header(fresh->header, s->header);
	*fresh->keys = *s->keys;
	uint32_t lost = copy_records(fresh, s);
	rc = ctl_store_adopt(fresh, now, report);
	if (rc) {
		ctl_store_destroy(fresh);
		return rc;
	}
	report->dropped_allocations[CTL_ADOPT_NO_PLACE] += lost;
	fresh->counts.created += s->counts.created;
	for (size_t i = 0; i < sizeof(s->counts.ended) / sizeof(s->counts.ended[0]); i++)
		fresh->counts.ended[i] += s->counts.ended[i];

	// The caller's handle stays: contents change places, the old ones go.
	struct ctl_store old = *s;
	*s = *fresh;
	s->ended = old.ended;
	s->ended_context = old.ended_context;
	*fresh = old;
	tell_of_lost(s, fresh);
	ctl_store_destroy(fresh);
	return 0;
}
