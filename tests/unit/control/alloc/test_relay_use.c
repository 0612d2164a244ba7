// SPDX-License-Identifier: BSD-3-Clause
// Draining and removing relay addresses without closing an allocation.
#include "control/alloc/relay_use.h"

#include "tests/unit/control/alloc/check.h"

// Entries of world_policy.
enum { SINGLE, PREFIX, SIX };

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	world_policy(&w->policy);
	world_open(w, 600, 128, 4);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_close(*state);
	free(*state);
	return 0;
}

static struct ctl_relay_view entry(const struct world *w, uint32_t index)
{
	struct ctl_relay_view v;
	assert_true(ctl_relay_entry(w->store, index, &v));
	return v;
}

static bool is_empty(const struct world *w, uint32_t index)
{
	struct ctl_relay_view v = entry(w, index);
	return ctl_relay_empty(&v.load);
}

static int allocate(struct world *w, uint32_t n, uint8_t families, uint8_t even,
	const uint8_t *token, struct tp_alloc_ref *ref, uint8_t token_out[8])
{
	struct ctl_allocation_request q = world_request(n);
	struct ctl_change change;
	uint8_t unused[8];
	q.families = families;
	q.optional_families = families == 3 ? 3 : 0;
	q.even_port = even;
	q.token = token;
	ctl_change_init(&change);
	int rc = ctl_allocation_create(
		w->store, &q, w->now, &change, token_out ? token_out : unused);
	if (ref)
		*ref = change.alloc;
	return rc;
}

static bool relays_in(const struct world *w, struct tp_alloc_ref ref, const char *prefix)
{
	struct tp_ip base;
	uint8_t bits;
	assert_int_equal(tp_prefix_parse(prefix, &base, &bits), 0);
	return tp_ip_in_prefix(&ctl_allocation_get(w->store, ref)->relay[0].ip, &base, bits);
}

static int set_use(struct world *w, uint32_t index, enum ctl_relay_use use)
{
	return ctl_relay_set_use(w->store, index, use);
}

// A new control; `policy` may have changed.
static void readopt(struct world *w)
{
	struct ctl_store_options options = world_options(w);
	ctl_store_destroy(w->store);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, NULL), 0);
}

static void drained_addresses_give_nothing_new(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref;
	uint8_t token[8];
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_DRAINED), 0);
	assert_int_equal(world_status(w).ports_free[0], 100);
	for (uint32_t n = 0; n < 60; n++) {
		assert_int_equal(allocate(w, n, 1, n % 3, NULL, &ref, token), n < 60 ? 0 : 1);
		assert_true(relays_in(w, ref, "198.18.0.2/32"));
		world_pass(w, 31 * TP_NS_PER_S); // reservations come and go
		ctl_store_expire(w->store, w->now, 100);
		if (n >= 20)
			continue;
		ctl_allocation_delete(w->store, ref, TP_END_REFRESH_ZERO, w->now, NULL);
		world_pass(w, 61 * TP_NS_PER_S);
		ctl_store_expire(w->store, w->now, 100);
	}
	assert_int_equal(entry(w, PREFIX).load.free, 400);
}

static void allocations_of_a_drained_address_live_on(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref;
	struct ctl_change change;
	do
		assert_int_equal(allocate(w, w->n_commands, 1, 0, NULL, &ref, NULL), 0);
	while (!relays_in(w, ref, "198.18.7.0/30"));
	uint64_t before = entry(w, PREFIX).load.taken;
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_DRAINED), 0);
	uint64_t deadline = ctl_allocation_get(w->store, ref)->deadline_ns;
	world_pass(w, 100 * TP_NS_PER_S);
	ctl_change_init(&change);
	assert_int_equal(
		ctl_allocation_refresh(w->store, ref, TP_FAMILY_NONE, 600, w->now, &change), 0);
	assert_true(ctl_allocation_get(w->store, ref)->deadline_ns > deadline);
	assert_int_equal(world_permit(w, ref, "8.8.8.8"), 0);
	assert_int_equal(world_bind(w, ref, 0x4001, "8.8.4.4", 53), 0);
	assert_int_equal(entry(w, PREFIX).load.taken, before);
	assert_false(is_empty(w, PREFIX));
	// The last one to go, and its rest, make it empty.
	while (entry(w, PREFIX).load.taken > 0) {
		uint32_t index = 0;
		const struct tp_alloc_record *r;
		while ((r = ctl_allocation_next(w->store, &index)))
			if (relays_in(w, r->self, "198.18.7.0/30"))
				ctl_allocation_delete(
					w->store, r->self, TP_END_REFRESH_ZERO, w->now, NULL);
	}
	assert_int_equal(entry(w, PREFIX).load.resting, before);
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_REMOVED), -EBUSY);
	world_pass(w, 61 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, 1000);
	assert_true(is_empty(w, PREFIX));
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_REMOVED), 0);
	assert_int_equal(entry(w, PREFIX).use, CTL_RELAY_REMOVED);
}

// A port that was promised before the drain is given to whoever has the token.
static void reservations_are_honoured(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref maker, user;
	uint8_t token[8];
	assert_int_equal(allocate(w, 1, 1, CTL_PORT_RESERVE, NULL, &maker, token), 0);
	uint32_t at = relays_in(w, maker, "198.18.0.2/32") ? SINGLE : PREFIX;
	assert_int_equal(entry(w, at).load.reserved, 1);
	assert_int_equal(set_use(w, at, CTL_RELAY_DRAINED), 0);
	ctl_allocation_delete(w->store, maker, TP_END_REFRESH_ZERO, w->now, NULL);
	assert_int_equal(allocate(w, 2, 1, 0, token, &user, NULL), 0);
	assert_int_equal(entry(w, at).load.reserved, 0);
	assert_int_equal(entry(w, at).load.taken, 1);
	ctl_allocation_delete(w->store, user, TP_END_REFRESH_ZERO, w->now, NULL);
	// One that nobody takes keeps the address from being removed for its 30 seconds.
	assert_int_equal(set_use(w, at, CTL_RELAY_IN_USE), 0);
	assert_int_equal(set_use(w, at == SINGLE ? PREFIX : SINGLE, CTL_RELAY_DRAINED), 0);
	assert_int_equal(allocate(w, 3, 1, CTL_PORT_RESERVE, NULL, &maker, token), 0);
	assert_int_equal(set_use(w, at, CTL_RELAY_DRAINED), 0);
	ctl_allocation_delete(w->store, maker, TP_END_REFRESH_ZERO, w->now, NULL);
	while (w->policy.port_rest_s && entry(w, at).load.resting)
		assert_true(
			(world_pass(w, TP_NS_PER_S), ctl_store_expire(w->store, w->now, 9), true));
	assert_true(is_empty(w, at));
}

static void a_family_all_drained_has_no_ports_and_one_removed_is_none(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref, dual;
	// Something rests at an address in use of the other family: it is left alone.
	assert_int_equal(allocate(w, 1, 1, 0, NULL, &ref, NULL), 0);
	ctl_allocation_delete(w->store, ref, TP_END_REFRESH_ZERO, w->now, NULL);
	assert_int_equal(set_use(w, SIX, CTL_RELAY_DRAINED), 0);
	assert_int_equal(allocate(w, 2, 2, 0, NULL, NULL, NULL), -ENOSPC);
	assert_int_equal(world_status(w).resting, 1);
	assert_true(ctl_store_has_family(w->store, TP_FAMILY_IPV6));
	// Neither does a dual allocation get its second family there.
	assert_int_equal(allocate(w, 3, 3, 0, NULL, &dual, NULL), 0);
	assert_int_equal(ctl_allocation_families(ctl_allocation_get(w->store, dual), w->now), 1);
	assert_int_equal(set_use(w, SIX, CTL_RELAY_REMOVED), 0);
	assert_int_equal(allocate(w, 4, 2, 0, NULL, NULL, NULL), -EAFNOSUPPORT);
	assert_false(ctl_store_has_family(w->store, TP_FAMILY_IPV6));
	// Draining what is removed does not bring it half back.
	assert_int_equal(set_use(w, SIX, CTL_RELAY_DRAINED), 0);
	assert_int_equal(entry(w, SIX).use, CTL_RELAY_REMOVED);
	assert_int_equal(set_use(w, SIX, CTL_RELAY_IN_USE), 0);
	assert_int_equal(allocate(w, 4, 2, 0, NULL, NULL, NULL), 0);
	// Both of IPv4: what rests there is no help.
	assert_int_equal(set_use(w, SINGLE, CTL_RELAY_DRAINED), 0);
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_DRAINED), 0);
	assert_int_equal(allocate(w, 5, 1, 0, NULL, NULL, NULL), -ENOSPC);
	assert_int_equal(world_status(w).resting, 1);
	assert_int_equal(world_status(w).ports_free[0], 0);
}

static void only_the_drained_and_empty_are_removed(void **state)
{
	struct world *w = *state;
	struct ctl_relay_view v;
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_REMOVED), -EBUSY);
	assert_int_equal(entry(w, PREFIX).use, CTL_RELAY_IN_USE);
	assert_int_equal(set_use(w, 3, CTL_RELAY_DRAINED), -ENOENT);
	assert_false(ctl_relay_entry(w->store, TP_INDEX_NONE, &v));
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_DRAINED), 0);
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_REMOVED), 0);
	assert_int_equal(set_use(w, PREFIX, CTL_RELAY_REMOVED), 0);
}

static void it_lasts_over_control_and_dataplane(void **state)
{
	struct world *w = *state;
	set_use(w, PREFIX, CTL_RELAY_DRAINED);
	set_use(w, SIX, CTL_RELAY_DRAINED);
	set_use(w, SIX, CTL_RELAY_REMOVED);
	readopt(w);
	assert_int_equal(entry(w, SINGLE).use, CTL_RELAY_IN_USE);
	assert_int_equal(entry(w, PREFIX).use, CTL_RELAY_DRAINED);
	assert_int_equal(entry(w, SIX).use, CTL_RELAY_REMOVED);
	// Another order, another public form and a new entry in front: found by its address.
	struct ctl_relay_prefix moved = w->policy.relays[PREFIX];
	w->policy.relays[3] = w->policy.relays[SINGLE];
	w->policy.relays[0] = (struct ctl_relay_prefix){ip("10.0.0.1"), ip("10.0.0.1"), 32};
	moved.public_address = ip("203.0.113.64");
	w->policy.relays[1] = moved;
	w->policy.n_relays = 4;
	readopt(w);
	assert_int_equal(entry(w, 0).use, CTL_RELAY_IN_USE);
	assert_int_equal(entry(w, 1).use, CTL_RELAY_DRAINED);
	assert_int_equal(entry(w, 2).use, CTL_RELAY_IN_USE);
	assert_int_equal(entry(w, 3).use, CTL_RELAY_REMOVED);
	// A new region.
	void *region = calloc(1, w->region_bytes);
	assert_int_equal(ctl_region_format(region, w->region_bytes, 600, 128, 4, 8), 0);
	assert_int_equal(ctl_store_move(w->store, region, w->region_bytes, -1, w->now, NULL), 0);
	free(w->region);
	w->region = region;
	assert_int_equal(entry(w, 1).use, CTL_RELAY_DRAINED);
	assert_int_equal(entry(w, 3).use, CTL_RELAY_REMOVED);
	// Taken back: that lasts, too.
	set_use(w, 1, CTL_RELAY_IN_USE);
	set_use(w, 3, CTL_RELAY_IN_USE);
	readopt(w);
	assert_int_equal(entry(w, 1).use, CTL_RELAY_IN_USE);
	assert_int_equal(entry(w, 3).use, CTL_RELAY_IN_USE);
}

static void what_the_configuration_lost_is_forgotten(void **state)
{
	struct world *w = *state;
	struct ctl_store_policy all = w->policy;
	set_use(w, PREFIX, CTL_RELAY_DRAINED);
	w->policy.relays[PREFIX] = w->policy.relays[SIX];
	w->policy.n_relays = 2;
	readopt(w);
	w->policy = all;
	readopt(w);
	assert_int_equal(entry(w, PREFIX).use, CTL_RELAY_IN_USE);
	// A prefix of another length is another entry.
	set_use(w, PREFIX, CTL_RELAY_DRAINED);
	w->policy.relays[PREFIX].prefix_bits = 31;
	readopt(w);
	assert_int_equal(entry(w, PREFIX).use, CTL_RELAY_IN_USE);
}

static void a_damaged_region_drains_nothing_else(void **state)
{
	struct world *w = *state;
	struct tp_region_relays *kept = tp_region_relays(w->region);
	for (uint32_t i = 0; i < TP_MAX_RELAYS; i++)
		kept->word[i] = world_next(w) | 3;
	readopt(w);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(entry(w, i).use, CTL_RELAY_IN_USE);
	// "Removed" over a live allocation: it stays alive, so it is drained only.
	struct tp_alloc_ref ref;
	set_use(w, PREFIX, CTL_RELAY_DRAINED);
	set_use(w, PREFIX, CTL_RELAY_REMOVED);
	uint64_t word = 0;
	for (uint32_t i = 0; i < TP_MAX_RELAYS; i++)
		word |= kept->word[i];
	set_use(w, PREFIX, CTL_RELAY_IN_USE);
	do
		assert_int_equal(allocate(w, w->n_commands, 1, 0, NULL, &ref, NULL), 0);
	while (!relays_in(w, ref, "198.18.7.0/30"));
	kept->word[77] = word;
	readopt(w);
	assert_non_null(ctl_allocation_get(w->store, ref));
	assert_int_equal(entry(w, PREFIX).use, CTL_RELAY_DRAINED);
}

// 256 of them, all out of use.
static void the_largest_pool_can_be_drained_whole(void **state)
{
	struct world *w = *state;
	w->policy.n_relays = TP_MAX_RELAYS;
	for (uint32_t i = 0; i < TP_MAX_RELAYS; i++) {
		struct tp_ip at = i % 2 ? ip("fd00:7::") : tp_ip4(0x0a000000u + 256 * i);
		if (i % 2)
			at.bytes[14] = (uint8_t)i;
		bool prefix = i % 5 == 0;
		w->policy.relays[i] = (struct ctl_relay_prefix){
			at, at, (uint8_t)((i % 2 ? 128 : 32) - (prefix ? 2 : 0))};
	}
	readopt(w);
	struct ctl_relay_view v;
	uint32_t n = 0;
	while (ctl_relay_entry(w->store, n, &v)) {
		assert_int_equal(set_use(w, n, CTL_RELAY_DRAINED), 0);
		if (n++ % 3 == 0)
			assert_int_equal(set_use(w, n - 1, CTL_RELAY_REMOVED), 0);
	}
	assert_int_equal(n, 256);
	assert_int_equal(world_status(w).ports_free[0], 0);
	assert_int_equal(world_status(w).ports_free[1], 0);
	readopt(w);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(entry(w, i).use, i % 3 ? CTL_RELAY_DRAINED : CTL_RELAY_REMOVED);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(set_use(w, i, CTL_RELAY_IN_USE), 0);
	readopt(w);
	uint32_t singles = 0;
	while (ctl_relay_single(w->store, singles, &v)) {
		assert_int_equal(v.use, CTL_RELAY_IN_USE);
		assert_int_equal(v.load.ports, 100);
		singles++;
	}
	assert_int_equal(singles, 256 + 3 * 52);
	struct ctl_relay_totals total[2];
	ctl_relay_total(w->store, total);
	assert_int_equal(total[0].addresses + total[1].addresses, singles);
	assert_int_equal(total[0].load.ports + total[1].load.ports, 100 * singles);
}

static void views_add_up(void **state)
{
	struct world *w = *state;
	struct ctl_relay_totals total[2];
	struct ctl_relay_view v;
	uint8_t token[8];
	w->policy.listeners[0].port = 50007; // of 198.18.0.2
	readopt(w);
	for (uint32_t n = 0; n < 90; n++)
		allocate(w, n, (uint8_t)(1 + n % 3), n % 3 == 2 ? 0 : (uint8_t)(n % 4 == 3 ? 2 : 0),
			NULL, NULL, token);
	for (uint32_t n = 0; n < 90; n += 4) {
		struct ctl_allocation_request q = world_request(n);
		const struct tp_alloc_record *r =
			ctl_allocation_find(w->store, 0, &q.client, &q.listener, w->now);
		if (r)
			ctl_allocation_delete(w->store, r->self, TP_END_REFRESH_ZERO, w->now, NULL);
	}
	set_use(w, PREFIX, CTL_RELAY_DRAINED);
	ctl_relay_total(w->store, total);
	assert_int_equal(total[0].load.ports, 499);
	assert_int_equal(total[1].load.ports, 100);
	assert_int_equal(total[0].addresses, 5);
	assert_int_equal(total[0].drained, 4);
	assert_int_equal(total[0].drained_free, entry(w, PREFIX).load.free);
	struct ctl_relay_load sum[2] = {};
	for (uint32_t i = 0; ctl_relay_single(w->store, i, &v); i++) {
		struct ctl_relay_load *s = &sum[v.address.family == TP_FAMILY_IPV6];
		assert_int_equal(v.load.ports,
			v.load.free + v.load.taken + v.load.resting + v.load.reserved);
		s->ports += v.load.ports;
		s->free += v.load.free;
		s->taken += v.load.taken;
		s->resting += v.load.resting;
		s->reserved += v.load.reserved;
	}
	for (int f = 0; f < 2; f++) {
		assert_memory_equal(&sum[f], &total[f].load, sizeof(sum[f]));
		assert_int_equal(
			world_status(w).ports_free[f], total[f].load.free - total[f].drained_free);
	}
	assert_true(
		total[0].load.reserved > 0 && total[0].load.resting > 0 && total[1].load.taken > 0);
	// Prefixes as they are expanded, with their public form.
	assert_true(ctl_relay_single(w->store, 3, &v));
	struct tp_ip want = ip("198.18.7.2");
	assert_true(tp_ip_equal(&v.address, &want));
	assert_int_equal(v.use, CTL_RELAY_DRAINED);
	assert_int_equal(v.prefix_bits, 32);
	// By either form.
	struct tp_ip public = ip("203.0.113.5"), inside = ip("198.18.7.3"),
		     alien = ip("198.18.7.4");
	assert_int_equal(ctl_relay_holder(w->store, &public), SINGLE);
	assert_int_equal(ctl_relay_holder(w->store, &inside), PREFIX);
	assert_int_equal(ctl_relay_holder(w->store, &alien), TP_INDEX_NONE);
	assert_int_equal(ctl_relay_find(w->store, &inside, 32), TP_INDEX_NONE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(drained_addresses_give_nothing_new),
		TEST(allocations_of_a_drained_address_live_on),
		TEST(reservations_are_honoured),
		TEST(a_family_all_drained_has_no_ports_and_one_removed_is_none),
		TEST(only_the_drained_and_empty_are_removed),
		TEST(it_lasts_over_control_and_dataplane),
		TEST(what_the_configuration_lost_is_forgotten),
		TEST(a_damaged_region_drains_nothing_else),
		TEST(the_largest_pool_can_be_drained_whole),
		TEST(views_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
