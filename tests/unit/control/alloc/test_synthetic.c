// SPDX-License-Identifier: BSD-3-Clause
#include "check.h"

#include "control/alloc/relay_use.h"
#include "control/alloc/synthetic.h"

#define PORTS 64 // the largest aligned block of 50000 to 50150 begins at 50048

static struct ctl_synthetic_wish wish(uint32_t allocations)
{
	return (struct ctl_synthetic_wish){.allocations = allocations,
		.peers = 2,
		.channels = 4,
		.client = ip("198.19.0.0"),
		.peer = ip("198.19.128.0")};
}

static void open_world(struct world *w, uint32_t allocs)
{
	*w = (struct world){};
	world_policy(&w->policy);
	w->policy.port_max = 50150;
	w->policy.synthetic = true;
	w->policy.allocations_total = 5;
	w->policy.permissions = 1;
	w->policy.new_peers_per_s = 1;
	world_open(w, allocs, 8 * allocs, 1);
}

static struct ctl_numbering plan(const struct world *w, uint32_t allocations)
{
	struct ctl_synthetic_wish q = wish(allocations);
	char why[CTL_SYNTHETIC_WHY_BYTES] = "";
	struct ctl_numbering n;
	if (ctl_synthetic_plan(w->store, &q, &n, why))
		fail_msg("%s", why);
	return n;
}

static void check(const struct world *w)
{
	uint64_t ports[2];
	check_store(w, ports);
}

// Another control over the same region.
static void restart(struct world *w, struct ctl_adoption *report)
{
	struct ctl_store_options options = world_options(w);
	ctl_store_destroy(w->store);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, report), 0);
}

static void make_all(struct world *w, const struct ctl_numbering *n)
{
	uint64_t last = 0;
	for (uint32_t i = 0; i < n->allocations; i++) {
		assert_int_equal(ctl_synthetic_make(w->store, n, i, 86400, w->now, &last), 0);
		assert_int_equal(last, w->sequence);
	}
}

static void the_plan_takes_the_first_relay_with_room(void **state)
{
	struct world w;
	open_world(&w, 256);
	struct ctl_numbering n = plan(&w, PORTS);
	assert_int_equal(n.port_bits, 6);
	assert_true(tp_addr_equal(&n.relay, &(struct tp_addr){ip("198.18.0.2"), 50048, 0}));
	n = plan(&w, PORTS + 1);
	assert_true(tp_addr_equal(&n.relay, &(struct tp_addr){ip("198.18.7.0"), 50048, 0}));
	assert_true(tp_addr_equal(&n.listener, &w.policy.listeners[0]));

	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct ctl_synthetic_wish q = wish(4 * PORTS + 1);
	assert_int_equal(ctl_synthetic_plan(w.store, &q, &n, why), -EINVAL);
	q = wish(PORTS);
	q.relay = ip("198.18.7.0");
	q.relay_bits = 30;
	assert_int_equal(ctl_synthetic_plan(w.store, &q, &n, why), 0);
	assert_true(tp_ip_equal(&n.relay.ip, &q.relay));
	q.relay_bits = 31;
	assert_int_equal(ctl_synthetic_plan(w.store, &q, &n, why), -EINVAL);
	q = wish(PORTS);
	q.channels = 3;
	assert_int_equal(ctl_synthetic_plan(w.store, &q, &n, why), -EINVAL);
	q = wish(PORTS);
	q.listener = addr("fd00:198:18::2", 3478);
	assert_int_equal(ctl_synthetic_plan(w.store, &q, &n, why), -EINVAL);
	world_close(&w);
}

// Whatever quotas say of clients, and the clients have theirs whole.
static void they_are_what_the_numbers_say(void **state)
{
	struct world w;
	open_world(&w, 256);
	struct ctl_numbering n = plan(&w, 2 * PORTS);
	make_all(&w, &n);
	check(&w);
	struct ctl_store_status s = world_status(&w);
	assert_int_equal(s.synthetic, 2 * PORTS);
	assert_int_equal(s.allocations, 2 * PORTS);
	assert_int_equal(s.permissions, 2 * 2 * PORTS);
	assert_int_equal(s.channels, 4 * 2 * PORTS);
	assert_int_equal(s.created, 0);
	assert_int_equal(s.users, 0);
	for (uint32_t i = 0; i < n.allocations; i++) {
		struct tp_addr client = ctl_numbering_client(&n, i),
			       relay = ctl_numbering_relay(&n, i);
		const struct tp_alloc_record *r = ctl_allocation_find(
			w.store, CTL_TRANSPORT_UDP, &client, &n.listener, w.now);
		assert_non_null(r);
		assert_true(ctl_synthetic(r));
		assert_true(tp_addr_equal(&r->relay[0], &relay));
		assert_false(ctl_allocation_is_of(w.store, r, 0, "synthetic", 9));
	}
	for (int i = 0; i < 5; i++)
		world_allocate(&w, i);
	assert_int_equal(world_status(&w).created, 5);
	world_close(&w);
}

static void the_commands_are_those_of_any_allocation(void **state)
{
	static const uint16_t type[] = {TP_CMD_ALLOC_SET, TP_CMD_PERMISSION_SET,
		TP_CMD_PERMISSION_SET, TP_CMD_CHANNEL_SET, TP_CMD_CHANNEL_SET, TP_CMD_CHANNEL_SET,
		TP_CMD_CHANNEL_SET};
	struct world w;
	open_world(&w, 16);
	struct ctl_numbering n = plan(&w, 1);
	make_all(&w, &n);
	assert_int_equal(w.n_commands, sizeof(type) / sizeof(type[0]));
	for (uint32_t i = 0; i < w.n_commands; i++) {
		assert_int_equal(w.command[i].type, type[i]);
		assert_int_equal(w.command[i].deadline_ns, w.now.now_ns + 86400 * TP_NS_PER_S);
	}
	assert_int_equal(w.command[6].channel.channel, 0x4003);
	assert_int_equal(w.command[6].channel.peer.port, 32769);
	uint64_t last;
	w.room = ctl_synthetic_commands(&n) - 1;
	assert_int_equal(ctl_synthetic_make(w.store, &n, 0, 60, w.now, &last), -ENOBUFS);
	world_close(&w);
}

static void every_port_comes_back_at_once(void **state)
{
	struct world w;
	open_world(&w, 256);
	uint64_t before = world_status(&w).ports_free[0], last;
	for (int cycle = 0; cycle < 3; cycle++) {
		struct ctl_numbering n = plan(&w, 2 * PORTS);
		make_all(&w, &n);
		assert_int_equal(world_status(&w).ports_free[0], before - 2 * PORTS);
		for (uint32_t i = 0; i < ctl_store_capacity(w.store); i++) {
			struct tp_alloc_ref ref = ctl_allocation_ref(w.store, i);
			int rc = ctl_synthetic_end(w.store, ref, w.now, &last);
			assert_true(rc == 0 || rc == -ENOENT);
		}
		struct ctl_store_status s = world_status(&w);
		assert_int_equal(s.ports_free[0], before);
		assert_int_equal(s.allocations + s.synthetic + s.resting, 0);
		assert_int_equal(s.permissions + s.channels, 0);
		assert_int_equal(s.ended[TP_END_OPERATOR], 0);
		world_forget(&w);
	}
	world_close(&w);
}

static void what_clients_have_is_left_to_them(void **state)
{
	struct world w;
	uint64_t last = 0;
	open_world(&w, 16);
	struct ctl_numbering n = plan(&w, 1);
	struct tp_alloc_ref client = world_allocate(&w, 0);
	n.relay = ctl_allocation_get(w.store, client)->relay[0];
	assert_int_equal(ctl_synthetic_make(w.store, &n, 0, 60, w.now, &last), -EADDRINUSE);
	n.relay = addr("198.18.9.9", 50048);
	assert_int_equal(ctl_synthetic_make(w.store, &n, 0, 60, w.now, &last), -EADDRNOTAVAIL);
	n = plan(&w, 1);
	n.client = ctl_allocation_get(w.store, client)->client;
	assert_int_equal(ctl_synthetic_make(w.store, &n, 0, 60, w.now, &last), -EEXIST);
	assert_int_equal(ctl_synthetic_end(w.store, client, w.now, &last), -ENOENT);
	assert_int_equal(last, 0);
	world_close(&w);
}

// A control that starts takes them over like all others where its configuration allows them; else
// they go.
static void a_restart_keeps_them_while_they_are_allowed(void **state)
{
	for (int allowed = 0; allowed < 2; allowed++) {
		struct ctl_adoption report;
		struct world w;
		open_world(&w, 64);
		struct ctl_numbering n = plan(&w, 32);
		make_all(&w, &n);
		struct tp_alloc_ref client = world_allocate(&w, 0);
		w.policy.synthetic = allowed;
		restart(&w, &report);
		struct ctl_store_status s = world_status(&w);
		assert_int_equal(s.synthetic, allowed ? 32 : 0);
		assert_int_equal(s.allocations, allowed ? 33 : 1);
		assert_int_equal(s.channels, allowed ? 4 * 32 : 0);
		assert_int_equal(report.dropped_allocations[CTL_ADOPT_REALM], allowed ? 0 : 32);
		assert_int_equal(s.ended[TP_END_INCONSISTENT], 0);
		assert_non_null(ctl_allocation_get(w.store, client));
		check(&w);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan_takes_the_first_relay_with_room),
		cmocka_unit_test(they_are_what_the_numbers_say),
		cmocka_unit_test(the_commands_are_those_of_any_allocation),
		cmocka_unit_test(every_port_comes_back_at_once),
		cmocka_unit_test(what_clients_have_is_left_to_them),
		cmocka_unit_test(a_restart_keeps_them_while_they_are_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
