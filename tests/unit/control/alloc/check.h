// SPDX-License-Identifier: BSD-3-Clause
// What must hold of a store at any time, checked from outside over the region and its status.
#pragma once

#include "common/wire/chandata.h"
#include "tests/unit/control/world.h"

static inline void check_peers(const struct world *w, const struct tp_alloc_record *r,
	uint64_t *permissions, uint64_t *channels)
{
	uint32_t at = r->first_peer, n = 0;
	const struct tp_peer_record *p;
	while ((p = ctl_peer_next(w->store, &at))) {
		n++;
		assert_true(n <= CTL_PEERS_PER_ALLOCATION);
		assert_int_equal(p->state, TP_RECORD_LIVE);
		assert_int_equal(p->owner.index, r->self.index);
		assert_int_equal(p->owner.generation, r->self.generation);
		assert_int_equal(atomic_load(&p->sequence) & 1, 0);
		bool channel = p->kind == TP_PEER_CHANNEL;
		*(channel ? channels : permissions) += 1;
		assert_int_equal(channel, chandata_channel_ok(p->channel, CHANDATA_CHANNEL_MAX_RFC5766));
		uint32_t other_at = r->first_peer;
		const struct tp_peer_record *o;
		while ((o = ctl_peer_next(w->store, &other_at))) {
			if (o == p || o->kind != p->kind)
				continue;
			assert_false(tp_addr_equal(&o->peer, &p->peer));
			assert_false(channel && o->channel == p->channel);
		}
	}
	assert_int_equal(n, r->peers);
}

static inline int check_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tp_addr));
}

// Returns how many relay ports the records hold, by family.
static inline void check_store(const struct world *w, uint64_t ports_total[2])
{
	struct ctl_store_status s = world_status(w);
	const struct tp_alloc_record *records =
		(const void *)((const uint8_t *)w->region + TP_REGION_HEADER_BYTES);
	uint64_t live = 0, resting = 0, permissions = 0, channels = 0, held[2] = {};
	struct tp_addr *relay = calloc(2 * s.alloc_capacity, sizeof(*relay));
	size_t relays = 0;
	for (uint32_t i = 0; i < s.alloc_capacity; i++) {
		const struct tp_alloc_record *r = &records[i];
		assert_int_equal(atomic_load(&r->sequence) & 1, 0);
		if (r->state == TP_RECORD_FREE)
			continue;
		for (int k = 0; k < 2; k++) {
			if (r->relay[k].ip.family == TP_FAMILY_NONE)
				continue;
			held[r->relay[k].ip.family == TP_FAMILY_IPV6]++;
			relay[relays++] = r->relay[k];
		}
		if (r->state == TP_RECORD_RESTING) {
			resting++;
			continue;
		}
		assert_int_equal(r->state, TP_RECORD_LIVE);
		assert_int_equal(r->self.index, i);
		live++;
		check_peers(w, r, &permissions, &channels);
		struct ctl_time early = {};
		assert_ptr_equal(ctl_allocation_find(
					 w->store, r->transport, &r->client, &r->listener, early),
			r);
	}
	qsort(relay, relays, sizeof(*relay), check_compare);
	for (size_t i = 1; i < relays; i++)
		assert_false(tp_addr_equal(&relay[i - 1], &relay[i]));
	free(relay);
	assert_int_equal(live, s.allocations);
	assert_int_equal(resting, s.resting);
	assert_int_equal(s.alloc_capacity, live + resting + s.allocs_free);
	assert_int_equal(permissions, s.permissions);
	assert_int_equal(channels, s.channels);
	assert_int_equal(s.peer_capacity, permissions + channels + s.peers_free);
	for (int f = 0; f < 2; f++)
		ports_total[f] = held[f] + s.ports_free[f];
}
