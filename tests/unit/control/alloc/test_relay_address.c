// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/relay_address.h"

#include "tests/unit/control/world.h"

struct relays {
	struct world w; // only policy and random
	struct ctl_relays r;
	struct ctl_draw draw;
};

static int setup(void **state)
{
	struct relays *t = calloc(1, sizeof(*t));
	t->w.random = 12345;
	t->draw.random = (struct ctl_random){.bytes = world_random, .context = &t->w};
	world_policy(&t->w.policy);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct relays *t = *state;
	ctl_relays_fini(&t->r);
	free(t);
	return 0;
}

static void every_port_comes_once(void **state)
{
	struct relays *t = *state;
	static uint8_t seen[5][65536];
	memset(seen, 0, sizeof(seen));
	assert_int_equal(ctl_relays_init(&t->r, &t->w.policy), 0);
	assert_int_equal(t->r.count, 6); // 1 + 4, and 1
	assert_int_equal(t->r.free[0][CTL_WISH_ANY], 500);
	struct ctl_relay_port p;
	for (int i = 0; i < 500; i++) {
		assert_int_equal(
			ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV4, CTL_WISH_ANY, &p), 0);
		assert_in_range(p.address, 0, 4);
		assert_in_range(p.port, 50000, 50099);
		assert_int_equal(seen[p.address][p.port]++, 0);
	}
	assert_int_equal(
		ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV4, CTL_WISH_ANY, &p), -ENOSPC);
	assert_int_equal(t->r.free[0][CTL_WISH_ANY], 0);
	assert_int_equal(t->r.free[1][CTL_WISH_ANY], 100);
	ctl_relays_release(&t->r, (struct ctl_relay_port){.address = 3, .port = 50063});
	assert_int_equal(ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV4, CTL_WISH_ANY, &p), 0);
	assert_int_equal(p.address, 3);
	assert_int_equal(p.port, 50063);
}

static void load_is_equal_and_ports_are_spread(void **state)
{
	struct relays *t = *state;
	t->w.policy.port_min = 1024;
	t->w.policy.port_max = 65535;
	assert_int_equal(ctl_relays_init(&t->r, &t->w.policy), 0);
	uint32_t eighth[8] = {};
	struct ctl_relay_port p;
	for (int i = 0; i < 40000; i++) {
		assert_int_equal(
			ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV4, CTL_WISH_ANY, &p), 0);
		eighth[(p.port - 1024u) * 8 / 64512]++;
	}
	for (int a = 0; a < 5; a++)
		assert_in_range(t->r.address[a].free[CTL_WISH_ANY], 64512 - 8020, 64512 - 7980);
	for (int e = 0; e < 8; e++) // 5000 each, 5 sigma
		assert_in_range(eighth[e], 4670, 5330);
}

static void even_ports_and_pairs(void **state)
{
	struct relays *t = *state;
	t->w.policy.port_min = 50001; // no even neighbour below
	assert_int_equal(ctl_relays_init(&t->r, &t->w.policy), 0);
	struct ctl_relay_port p;
	for (int i = 0; i < 5 * 49; i++) {
		enum ctl_port_wish wish = i % 3 ? CTL_WISH_PAIR : CTL_WISH_EVEN;
		assert_int_equal(ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV4, wish, &p), 0);
		assert_int_equal(p.port % 2, 0);
		assert_in_range(p.port, 50002, 50098);
		bool taken;
		struct tp_addr next = ctl_relays_address(&t->r, p);
		next.port++;
		ctl_relays_mark(&t->r, &next, &taken);
		assert_int_equal(taken, wish == CTL_WISH_PAIR);
	}
	assert_int_equal(
		ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV4, CTL_WISH_EVEN, &p), -ENOSPC);
	assert_int_equal(t->r.free[0][CTL_WISH_ANY], 5); // 50001 of each
}

static void listeners_ports_are_never_given(void **state)
{
	struct relays *t = *state;
	t->w.policy.listeners[0].port = 50050;
	t->w.policy.listeners[1] = t->w.policy.listeners[0]; // UDP and TCP of one listener
	assert_int_equal(ctl_relays_init(&t->r, &t->w.policy), 0);
	assert_int_equal(t->r.free[0][CTL_WISH_ANY], 499);
	struct ctl_relay_port p;
	struct tp_addr listener = t->w.policy.listeners[0];
	for (int i = 0; i < 499; i++) {
		assert_int_equal(
			ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV4, CTL_WISH_ANY, &p), 0);
		struct tp_addr relay = ctl_relays_address(&t->r, p);
		assert_false(tp_addr_equal(&relay, &listener));
	}
}

static void marking(void **state)
{
	struct relays *t = *state;
	assert_int_equal(ctl_relays_init(&t->r, &t->w.policy), 0);
	bool taken;
	struct tp_addr a = addr("198.18.7.3", 50010);
	struct ctl_relay_port p = ctl_relays_mark(&t->r, &a, &taken);
	assert_false(taken);
	struct tp_addr back = ctl_relays_address(&t->r, p);
	assert_true(tp_addr_equal(&a, &back));
	p = ctl_relays_mark(&t->r, &a, &taken);
	assert_true(taken);
	assert_int_equal(p.address, TP_INDEX_NONE);
	static const struct {
		const char *ip;
		uint16_t port;
	} foreign[] = {{"198.18.7.4", 50010}, {"198.18.6.255", 50010}, {"198.18.7.3", 49999},
		{"198.18.7.3", 50100}, {"fd00:198:18::3", 50010}, {"::", 50010}};
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		a = addr(foreign[i].ip, foreign[i].port);
		p = ctl_relays_mark(&t->r, &a, &taken);
		assert_int_equal(p.address, TP_INDEX_NONE);
		assert_false(taken);
	}
	a = addr("198.18.0.2", 50000);
	struct tp_addr public = ctl_relays_public(&t->r, &a), want = addr("203.0.113.5", 50000);
	assert_true(tp_addr_equal(&public, &want));
}

static void missing_family(void **state)
{
	struct relays *t = *state;
	t->w.policy.n_relays = 2;
	assert_int_equal(ctl_relays_init(&t->r, &t->w.policy), 0);
	struct ctl_relay_port p;
	assert_int_equal(
		ctl_relays_take(&t->r, &t->draw, TP_FAMILY_IPV6, CTL_WISH_ANY, &p), -EAFNOSUPPORT);
	assert_false(ctl_relays_have(&t->r, TP_FAMILY_IPV6));
	assert_true(ctl_relays_have(&t->r, TP_FAMILY_IPV4));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_port_comes_once),
		TEST(load_is_equal_and_ports_are_spread),
		TEST(even_ports_and_pairs),
		TEST(listeners_ports_are_never_given),
		TEST(marking),
		TEST(missing_family),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
