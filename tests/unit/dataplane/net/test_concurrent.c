// SPDX-License-Identifier: BSD-3-Clause
// Two readers beside the mirror's writer: routes, neighbours and interfaces come and go, entries
// are used again as soon as QSBR lets them. What stays is found by every lookup; what is found is
// what was asked for, and an address of a neighbour never stands with the MAC of another. Also
// clean under -Db_sanitize=thread.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/net/tables.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/net/messages.h"

#define WAN          7
#define VLAN         12
#define READERS      2
#define STABLE       50  // neighbours 198.18.0.1 to .50 stay, the rest of the /24 comes and goes
#define NEIGHBOURS   250 // of 198.18.0.0/24
#define HOPS         58  // too few entries for all: each is used again and again
#define BURST        32  // lookups between two quiescent states
#define MESSAGES     40000
#define MESSAGES_MAX (200u * MESSAGES)
#define SHARE        2000 // rounds that each reader has had at the end

static struct {
	struct conf conf;
	struct dp dp;
	struct net_tables t;
	_Atomic bool stop;
	_Atomic uint32_t rounds[READERS];
	_Atomic uint32_t missed, wrong, found;
} f;

struct reader {
	pthread_t thread;
	unsigned int id;
};

static void no_ask(void *context, enum net_wish wish, uint32_t ifindex, const struct tp_ip *ip)
{
}

static struct tp_ip neighbour(uint32_t n)
{
	return (struct tp_ip){.family = TP_FAMILY_IPV4, .bytes = {198, 18, 0, (uint8_t)n}};
}

// The entry, good until the quiescent state whatever the writer does; 0 when there is none.
static uint16_t judge_neighbour(uint32_t n)
{
	struct tp_ip ip = neighbour(n);
	uint16_t i = dp_net_hop_find(&f.t, WAN, &ip);
	const struct dp_next_hop *hop = &f.dp.next_hops[i];
	uint8_t mac[8];

	if (i == DP_NEXT_HOP_NONE) {
		if (n <= STABLE)
			atomic_fetch_add(&f.missed, 1);
		return i;
	}
	atomic_fetch_add_explicit(&f.found, 1, memory_order_relaxed);
	uint64_t state = atomic_load_explicit(&hop->mac_state, memory_order_relaxed);
	memcpy(mac, &state, sizeof(mac));
	if (!tp_ip_equal(&hop->address, &ip) || hop->ifindex != WAN || hop->port != 0 ||
		(state & DP_MAC_RESOLVED && mac[5] != n))
		atomic_fetch_add(&f.wrong, 1);
	if (__atomic_load_n(&hop->mtu, __ATOMIC_RELAXED) < 1400)
		atomic_fetch_add(&f.wrong, 1);
	return i;
}

// Gateways are 198.18.0.1 (the default route's) to .4.
static void judge_gateway(const struct tp_ip *far, bool may_miss)
{
	uint16_t value = dp_net_route_lookup(&f.t, far);
	const struct tp_ip *gateway = &f.dp.next_hops[value].address;

	if (value == 0) {
		if (!may_miss)
			atomic_fetch_add(&f.missed, 1);
		return;
	}
	if (value >= NET_ON_LINK || gateway->bytes[2] != 0 || gateway->bytes[3] < 1 ||
		gateway->bytes[3] > 4)
		atomic_fetch_add(&f.wrong, 1);
}

static void judge_routes(uint32_t n)
{
	const struct tp_ip far = {.family = TP_FAMILY_IPV4, .bytes = {192, 0, 2, (uint8_t)n}};
	const struct tp_ip grouped = {.family = TP_FAMILY_IPV4, .bytes = {203, 0, 113, (uint8_t)n}};
	const struct tp_ip near = neighbour(1 + n % NEIGHBOURS);
	uint16_t value = dp_net_route_lookup(&f.t, &near);

	if (value < NET_ON_LINK || value >= NET_ON_LINK + NET_LINKS_MAX ||
		atomic_load_explicit(
			&f.t.links[value - NET_ON_LINK].ifindex, memory_order_relaxed) != WAN)
		atomic_fetch_add(&f.wrong, 1);
	judge_gateway(&far, false);
	// DPDK 22.11 empties the group of longer prefixes that it gives back; who is in it at that
	// moment finds no route.
	judge_gateway(&grouped, true);
}

static void *reader_main(void *arg)
{
	const struct reader *r = arg;
	uint32_t n = r->id * 77;
	uint16_t found[BURST];

	rte_rcu_qsbr_thread_register(f.dp.qsbr, r->id);
	rte_rcu_qsbr_thread_online(f.dp.qsbr, r->id);
	while (!atomic_load_explicit(&f.stop, memory_order_relaxed)) {
		for (uint32_t i = 0; i < BURST; i++) {
			found[i] = judge_neighbour(1 + (n + i) % NEIGHBOURS);
			judge_routes(n + i);
		}
		for (uint32_t i = 0; i < BURST; i++) {
			struct tp_ip ip = neighbour(1 + (n + i) % NEIGHBOURS);
			if (found[i] && !tp_ip_equal(&f.dp.next_hops[found[i]].address, &ip))
				atomic_fetch_add(&f.wrong, 1);
		}
		n += BURST;
		rte_rcu_qsbr_quiescent(f.dp.qsbr, r->id);
		atomic_fetch_add_explicit(&f.rounds[r->id], 1, memory_order_relaxed);
	}
	rte_rcu_qsbr_thread_offline(f.dp.qsbr, r->id);
	rte_rcu_qsbr_thread_unregister(f.dp.qsbr, r->id);
	return NULL;
}

static void change_neighbour(uint32_t n, bool there)
{
	struct message m;
	char text[INET_ADDRSTRLEN];

	snprintf(text, sizeof(text), "198.18.0.%u", n);
	dp_net_tables_apply(
		&f.t, neighbour_message(&m, there ? RTM_NEWNEIGH : RTM_DELNEIGH, WAN, text,
			      there ? NUD_REACHABLE : NUD_FAILED, there ? (uint8_t)n : 0, 0));
}

static void change_route(const char *prefix, uint8_t bits, const char *gateway)
{
	struct message m;

	dp_net_tables_apply(
		&f.t, route_message(&m, gateway ? RTM_NEWROUTE : RTM_DELROUTE, prefix, bits,
			      RT_TABLE_MAIN, RTN_UNICAST, gateway ? WAN : 0, gateway, 0));
}

static void change_link(uint32_t round)
{
	struct message m;

	dp_net_tables_apply(&f.t,
		link_message(&m, RTM_NEWLINK, WAN, IFF_UP | IFF_RUNNING, 1400 + round % 100, 0, 0));
	dp_net_tables_apply(&f.t, link_message(&m, round % 2 ? RTM_NEWLINK : RTM_DELLINK, VLAN,
					  IFF_UP | IFF_RUNNING, 1400, 100, WAN));
}

static void change_something(uint32_t round, uint32_t random)
{
	static const char *const gateways[] = {"198.18.0.2", "198.18.0.3", "198.18.0.4", NULL};

	switch (random % 16) {
	case 0:
		change_route(random & 0x20000 ? "192.0.2.0" : "203.0.113.0", 24,
			gateways[random / 16 % 4]);
		break;
	case 1:
		change_route("203.0.113.128", 26, gateways[random / 16 % 4]);
		break;
	case 2:
		change_link(round);
		break;
	case 3: // its state only
		change_neighbour(1 + random / 16 % STABLE, true);
		break;
	default:
		change_neighbour(
			STABLE + 1 + random / 16 % (NEIGHBOURS - STABLE), random & 0x10000);
	}
}

static bool readers_had_their_share(void)
{
	for (unsigned int i = 0; i < READERS; i++)
		if (atomic_load(&f.rounds[i]) < SHARE)
			return false;
	return true;
}

static void write_all(void)
{
	uint64_t r = 88172645463325252;

	for (uint32_t n = 0; n < MESSAGES_MAX; n++) {
		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		change_something(n, (uint32_t)(r >> 20));
		if (n >= MESSAGES && readers_had_their_share())
			return;
		// One CPU for all: a reader that never runs holds every freed entry.
		if (n % 64 == 0)
			sched_yield();
	}
	fail_msg("the readers did not get %u rounds", SHARE);
}

static void test_readers_beside_the_mirror(void **state)
{
	struct reader readers[READERS];
	struct message m;
	size_t bytes = RTE_ALIGN(rte_rcu_qsbr_get_memsize(READERS), 64);

	f.conf.limits.routes = 64;
	f.dp = (struct dp){.conf = &f.conf, .n_ports = 1};
	f.dp.ports[0].routes_ifindex = WAN;
	f.dp.next_hops = aligned_alloc(64, DP_NEXT_HOP_MAX * sizeof(*f.dp.next_hops));
	memset(f.dp.next_hops, 0, DP_NEXT_HOP_MAX * sizeof(*f.dp.next_hops));
	f.dp.qsbr = aligned_alloc(64, bytes);
	assert_int_equal(rte_rcu_qsbr_init(f.dp.qsbr, READERS), 0);
	assert_int_equal(dp_net_tables_init(&f.t, &f.dp, (struct net_asker){.ask = no_ask}), 0);
	f.t.hops.free_count = HOPS;
	dp_net_tables_apply(
		&f.t, link_message(&m, RTM_NEWLINK, WAN, IFF_UP | IFF_RUNNING, 1500, 0, 0));
	dp_net_tables_apply(&f.t, route_message(&m, RTM_NEWROUTE, "198.18.0.0", 24, RT_TABLE_MAIN,
					  RTN_UNICAST, WAN, NULL, 0));
	for (uint32_t n = 1; n <= STABLE; n++)
		change_neighbour(n, true);
	change_route("0.0.0.0", 0, "198.18.0.1");
	for (unsigned int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){.id = i};
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
	}
	write_all();
	atomic_store(&f.stop, true);
	for (unsigned int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	assert_int_equal(f.missed, 0);
	assert_int_equal(f.wrong, 0);
	assert_true(f.found > 0);
	assert_int_equal(f.t.routes.refused, 0);
	dp_net_tables_fini(&f.t);
	free(f.dp.qsbr);
	free(f.dp.next_hops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_beside_the_mirror)};

	if (test_eal_init("128") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
