// SPDX-License-Identifier: BSD-3-Clause
// Records that run out: who is refused has taken nothing, and an end makes room. Records of
// allocations and relay ports: test_store.c, test_relay_balance.c.
#include <stdio.h>

#include "tests/unit/control/world.h"

#define ALLOCS 64
#define PEERS  8
#define NAMES  4

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	world_policy(&w->policy);
	world_open(w, ALLOCS, PEERS, NAMES);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_close(*state);
	free(*state);
	return 0;
}

static int permit_n(struct world *w, struct tp_alloc_ref ref, uint32_t n)
{
	char peer[32];
	snprintf(peer, sizeof(peer), "198.19.0.%u", n);
	return world_permit(w, ref, peer);
}

// As a request does it: what was begun and not finished is taken back.
static int bind_or_nothing(struct world *w, struct tp_alloc_ref ref)
{
	struct tp_addr peer = {.ip = tp_ip4(0xc6120909), .port = 9};
	struct ctl_change change;

	ctl_change_init(&change);
	int rc = ctl_channel_bind(w->store, ref, 0x4000, &peer, w->now, &change);
	if (rc != 0)
		ctl_change_rollback(w->store, &change, w->now);
	return rc;
}

// Permissions and channels share their records; a request that finds none left takes none.
static void peer_records_run_out_cleanly(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1), other = world_allocate(w, 2);
	for (uint32_t i = 0; i < 7; i++)
		assert_int_equal(permit_n(w, ref, i), 0);
	struct ctl_store_status before = world_status(w);
	assert_int_equal(before.peers_free, 1);
	// A channel to a new peer takes two.
	assert_int_equal(bind_or_nothing(w, other), -ENOSPC);
	struct ctl_store_status after = world_status(w);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(permit_n(w, other, 0), 0);
	assert_int_equal(permit_n(w, ref, 7), -ENOSPC);
	assert_int_equal(permit_n(w, ref, 6), 0); // a refresh takes none
	assert_int_equal(ctl_allocation_delete(w->store, ref, TP_END_OPERATOR, w->now, NULL), 0);
	assert_int_equal(world_status(w).peers_free, 7);
	assert_int_equal(bind_or_nothing(w, other), 0);
	assert_int_equal(ctl_allocation_delete(w->store, other, TP_END_OPERATOR, w->now, NULL), 0);
	assert_int_equal(world_status(w).peers_free, 8);
}

static int allocate_as(struct world *w, uint32_t client, size_t user_length)
{
	static const uint8_t name[CTL_USER_MAX_BYTES] = "n";
	struct ctl_allocation_request q = world_request(client);
	struct ctl_change change;

	ctl_change_init(&change);
	q.user = name;
	q.user_length = user_length;
	return ctl_allocation_create(w->store, &q, w->now, &change, NULL);
}

// Long user names have records of their own: without one, only who has a long name is refused.
static void name_records_run_out_cleanly(void **state)
{
	struct world *w = *state;
	uint32_t client = 0;
	int rc;

	struct ctl_store_status start = world_status(w);
	while ((rc = allocate_as(w, client, CTL_USER_MAX_BYTES)) == 0)
		client++;
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(client, start.name_capacity);
	struct ctl_store_status before = world_status(w);
	assert_int_equal(before.names_free, 0);
	assert_int_equal(allocate_as(w, 60, CTL_USER_MAX_BYTES), -ENOSPC);
	struct ctl_store_status after = world_status(w);
	assert_memory_equal(&before, &after, sizeof(before));
	assert_int_equal(allocate_as(w, 60, 1), 0);
	world_pass(w, 700 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	assert_int_equal(world_status(w).names_free, start.names_free);
	assert_int_equal(allocate_as(w, 1, CTL_USER_MAX_BYTES), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(peer_records_run_out_cleanly),
		TEST(name_records_run_out_cleanly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
