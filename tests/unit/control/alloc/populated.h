// SPDX-License-Identifier: BSD-3-Clause
// A store with a few of everything, for tests of what takes its records over.
#pragma once

#include "tests/unit/control/alloc/check.h"

#define ALLOCS 32
#define PEERS  96
#define NAMES  6

static inline struct tp_region_header *header_of(struct world *w)
{
	return w->region;
}

static inline struct tp_alloc_record *alloc_of(struct world *w, uint32_t index)
{
	return (struct tp_alloc_record *)((uint8_t *)w->region + TP_REGION_HEADER_BYTES) + index;
}

static inline struct tp_peer_record *peer_of(struct world *w, uint32_t index)
{
	return (struct tp_peer_record *)alloc_of(w, ALLOCS) + index;
}

static inline struct tp_name_record *name_of(struct world *w, uint32_t index)
{
	return (struct tp_name_record *)peer_of(w, PEERS) + index;
}

// 20 allocations: one of two families, one with a long name, some with peers, two ended.
static inline void populate(struct world *w)
{
	static uint8_t name[400] = "a long name";
	struct ctl_change change;
	for (uint32_t n = 0; n < 20; n++) {
		struct ctl_allocation_request q = world_request(n);
		if (n == 7)
			q.families = CTL_FAMILY_BIT_IPV4 | CTL_FAMILY_BIT_IPV6;
		if (n == 9) {
			q.user = name;
			q.user_length = sizeof(name);
		}
		ctl_change_init(&change);
		assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
		for (uint32_t k = 0; k < n % 4; k++) {
			struct tp_addr peer = {.ip = tp_ip4(0xc6130000 + k), .port = 9};
			ctl_change_init(&change);
			assert_int_equal(ctl_channel_bind(w->store, alloc_of(w, n)->self,
						 (uint16_t)(0x4000 + k), &peer, w->now, &change),
				0);
		}
	}
	assert_int_equal(world_bind(w, alloc_of(w, 7)->self, 0x4100, "fd00::77", 5), 0);
	for (uint32_t n = 18; n < 20; n++)
		ctl_allocation_delete(
			w->store, alloc_of(w, n)->self, TP_END_REFRESH_ZERO, w->now, NULL);
	world_forget(w);
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	world_policy(&w->policy);
	world_open(w, ALLOCS, PEERS, NAMES);
	populate(w);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	world_close(*state);
	free(*state);
	return 0;
}

static inline struct ctl_adoption readopt(struct world *w)
{
	struct ctl_adoption report;
	ctl_store_destroy(w->store);
	struct ctl_store_options options = world_options(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, &report), 0);
	return report;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
