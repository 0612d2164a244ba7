// SPDX-License-Identifier: BSD-3-Clause
// The mirror against a real kernel, in a network namespace of this process. Needs root.
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <net/if.h>

#include <cmocka.h>

#include "dataplane/net/net.h"
#include "tests/unit/dataplane/eal.h"

static struct {
	bool usable;
	bool vlan; // this kernel has 802.1Q interfaces
	struct conf conf;
	struct dp dp;
	struct dp_next_hop *hops;
} f;

static void run(const char *command)
{
	int rc = system(command);

	if (rc != 0)
		fail_msg("%s: %d", command, rc);
}

static struct tp_ip ip(const char *text)
{
	struct tp_ip out;
	assert_int_equal(tp_ip_parse(text, &out), 0);
	return out;
}

static uint16_t lookup(const char *text)
{
	struct tp_ip address = ip(text);
	return dp_net_lookup(f.dp.net, &address);
}

static bool possible(const char *text)
{
	struct tp_ip address = ip(text);
	return dp_net_source_possible(f.dp.net, &address);
}

// Reads all events that the kernel has sent by now (they are queued before `ip` ends), and lets a
// second pass: the dumps of one second are bounded.
static void process(void)
{
	struct pollfd p = {.fd = dp_net_fd(f.dp.net), .events = POLLIN};

	while (poll(&p, 1, 0) > 0)
		assert_int_equal(dp_net_process(f.dp.net), 0);
	dp_net_tick(f.dp.net, 0);
}

// The kernel announces a carrier from a work queue, a little after the command.
static bool comes_up(void)
{
	struct pollfd p = {.fd = dp_net_fd(f.dp.net), .events = POLLIN};

	while (!f.dp.ports[0].up && poll(&p, 1, 10000) > 0)
		assert_int_equal(dp_net_process(f.dp.net), 0);
	return f.dp.ports[0].up;
}

static int mac_of(uint16_t hop)
{
	uint64_t state = atomic_load(&f.hops[hop].mac_state);
	uint8_t bytes[8];

	memcpy(bytes, &state, sizeof(bytes));
	return hop && (state & DP_MAC_RESOLVED) ? bytes[5] : -1;
}

static int setup(void **state)
{
	if (!f.usable)
		return 0;
	run("ip link add wan0 type veth peer name far0");
	f.vlan = system("ip link add vlan100 link wan0 type vlan id 100 2>/dev/null") == 0;
	run("ip link add out0 type veth peer name out1");
	run("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.wan0.accept_dad=0");
	run("ip link set lo up && ip link set out0 up && ip link set out1 up && ip link set far0 "
	    "up");
	run("ip link set wan0 up && ip addr add 198.18.0.2/24 dev wan0");
	if (f.vlan)
		run("ip link set vlan100 up && ip addr add 198.18.100.2/24 dev vlan100");
	run("ip addr add fd00:198:18::2/64 dev wan0 nodad");
	run("ip neigh add 198.18.0.1 lladdr 02:00:00:00:00:01 dev wan0 nud permanent");
	run("ip route add 198.18.64.0/24 via 198.18.0.1");
	f.hops = aligned_alloc(64, DP_NEXT_HOP_MAX * sizeof(*f.hops));
	memset(f.hops, 0, DP_NEXT_HOP_MAX * sizeof(*f.hops));
	f.conf.limits.routes = 256;
	f.dp = (struct dp){.conf = &f.conf, .next_hops = f.hops, .n_ports = 1};
	f.dp.ports[0].routes_ifindex = if_nametoindex("wan0");
	assert_int_equal(dp_net_create(&f.dp, &f.dp.net), 0);
	return 0;
}

static int teardown(void **state)
{
	if (!f.usable)
		return 0;
	dp_net_destroy(f.dp.net);
	free(f.hops);
	run("ip link del wan0 && ip link del out0");
	return 0;
}

static void need_root(void)
{
	if (!f.usable) {
		print_message("needs root for a network namespace of its own\n");
		skip();
	}
}

static void test_what_stood_there_at_the_start_is_found(void **state)
{
	need_root();
	assert_int_equal(mac_of(lookup("198.18.64.9")), 1);
	assert_int_equal(mac_of(lookup("198.18.0.1")), 1);
	assert_int_equal(lookup("198.18.0.2"), 0); // our own address
	assert_false(possible("198.18.0.2"));
	assert_false(possible("198.18.0.255"));
	assert_false(possible("fd00:198:18::2"));
	assert_true(possible("198.18.0.254"));
	assert_true(possible("fd00:198:18::3"));
	assert_true(possible("203.0.113.1"));
	assert_int_equal(lookup("203.0.113.1"), 0);
	assert_true(comes_up());
	assert_int_equal(f.dp.ports[0].mtu, 1500);
}

static void test_routes_and_neighbours_follow_the_kernel(void **state)
{
	uint64_t generation;

	need_root();
	generation = dp_net_generation(f.dp.net);
	run("ip neigh add 198.18.0.7 lladdr 02:00:00:00:00:07 dev wan0 nud reachable");
	run("ip -6 neigh add fd00:198:18::7 lladdr 02:00:00:00:00:17 dev wan0 nud reachable");
	process();
	assert_int_equal(mac_of(lookup("198.18.0.7")), 0x07);
	assert_int_equal(mac_of(lookup("fd00:198:18::7")), 0x17);
	run("ip route add default via 198.18.0.7 && ip -6 route add default via fd00:198:18::7");
	run("ip route add blackhole 198.18.65.0/24");
	process();
	assert_true(dp_net_generation(f.dp.net) > generation);
	assert_int_equal(mac_of(lookup("203.0.113.1")), 0x07);
	assert_int_equal(mac_of(lookup("2001:db8::1")), 0x17);
	assert_int_equal(lookup("198.18.65.1"), 0);
	run("ip neigh replace 198.18.0.7 lladdr 02:00:00:00:00:08 dev wan0 nud reachable");
	process();
	assert_int_equal(mac_of(lookup("203.0.113.1")), 0x08);
	run("ip route del default");
	process();
	assert_int_equal(lookup("203.0.113.1"), 0);
}

static void test_neighbours_behind_a_tag(void **state)
{
	need_root();
	if (!f.vlan) {
		print_message("this kernel has no 802.1Q interfaces\n");
		skip();
	}
	run("ip neigh add 198.18.100.7 lladdr 02:00:00:00:00:27 dev vlan100 nud reachable");
	process();
	assert_int_equal(mac_of(lookup("198.18.100.7")), 0x27);
	assert_int_equal(f.hops[lookup("198.18.100.7")].vlan, 100);
}

static void test_multipath_and_nexthop_objects(void **state)
{
	need_root();
	run("ip route add 198.18.66.0/24 nexthop dev out0 nexthop via 198.18.0.1");
	process();
	assert_int_equal(mac_of(lookup("198.18.66.1")), 1);
	run("ip nexthop add id 5 via 198.18.0.1 dev wan0 && ip route add 198.18.67.0/24 nhid 5");
	process();
	assert_int_equal(mac_of(lookup("198.18.67.1")), 1);
	run("ip nexthop replace id 5 dev out0");
	process();
	assert_int_equal(lookup("198.18.67.1"), 0);
}

static void test_ipv6_multipath_loses_a_hop(void **state)
{
	need_root();
	run("ip -6 neigh add fd00:198:18::1 lladdr 02:00:00:00:00:11 dev wan0 nud permanent");
	run("ip -6 neigh add fd00:198:18::3 lladdr 02:00:00:00:00:13 dev wan0 nud permanent");
	run("ip -6 route add 2001:db8::/32 nexthop via fd00:198:18::1 nexthop via fd00:198:18::3");
	process();
	assert_int_equal(mac_of(lookup("2001:db8::1")), 0x11);
	run("ip -6 route del 2001:db8::/32 via fd00:198:18::1 dev wan0");
	process();
	assert_int_equal(mac_of(lookup("2001:db8::1")), 0x13);
}

static void test_an_interface_that_goes_down_takes_its_routes_along(void **state)
{
	need_root();
	run("ip link set wan0 down");
	process();
	assert_int_equal(lookup("198.18.64.9"), 0);
	assert_int_equal(f.dp.ports[0].up, 0);
	run("ip link set wan0 up mtu 1400");
	process();
	assert_true(comes_up());
	assert_int_equal(f.dp.ports[0].mtu, 1400);
}

static void test_a_lost_address_takes_its_routes_along(void **state)
{
	need_root();
	run("ip route add 198.18.68.0/24 via 198.18.0.1 src 198.18.0.2");
	process();
	assert_int_equal(mac_of(lookup("198.18.68.1")), 1);
	run("ip addr del 198.18.0.2/24 dev wan0");
	process();
	assert_int_equal(lookup("198.18.68.1"), 0);
}

static void test_a_held_neighbour_is_managed_by_the_kernel(void **state)
{
	struct tp_ip address = ip("198.18.0.9");
	uint16_t hop;

	need_root();
	hop = dp_net_hold(f.dp.net, &address);
	assert_int_not_equal(hop, 0);
	assert_int_equal(dp_net_hold(f.dp.net, &address), hop);
	run("ip neigh show dev wan0 | grep -q '^198.18.0.9.*managed'");
	dp_net_release(f.dp.net, hop);
	run("ip neigh show dev wan0 | grep -q '^198.18.0.9.*managed'");
	run("ip neigh replace 198.18.0.9 lladdr 02:00:00:00:00:09 dev wan0 nud reachable");
	process();
	assert_int_equal(mac_of(hop), 9);
	for (int i = 0; i < 10; i++) // somebody took the flag away: asked again
		dp_net_tick(f.dp.net, 0);
	run("ip neigh show dev wan0 | grep -q '^198.18.0.9.*managed'");
	dp_net_release(f.dp.net, hop);
	run("! ip neigh show dev wan0 | grep -q '^198.18.0.9.*managed'");
	run("ip neigh show dev wan0 | grep -q '^198.18.0.9'"); // the entry itself stays
}

#define ADD_ROUTES "seq 0 249 | sed 's,.*,route add 198.19.&.0/24 via 198.18.0.1,' | ip -batch -"

static void test_lost_events_lead_to_a_dump(void **state)
{
	need_root();
	// More events than the socket's buffer holds, with nobody reading.
	for (int i = 0; i < 60; i++) {
		run(ADD_ROUTES);
		run("seq 0 249 | sed 's,.*,route del 198.19.&.0/24,' | ip -batch -");
	}
	run(ADD_ROUTES);
	process();
	assert_int_equal(mac_of(lookup("198.19.0.1")), 1);
	assert_int_equal(mac_of(lookup("198.19.249.1")), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_what_stood_there_at_the_start_is_found),
		T(test_routes_and_neighbours_follow_the_kernel),
		T(test_neighbours_behind_a_tag),
		T(test_multipath_and_nexthop_objects),
		T(test_ipv6_multipath_loses_a_hop),
		T(test_an_interface_that_goes_down_takes_its_routes_along),
		T(test_a_lost_address_takes_its_routes_along),
		T(test_a_held_neighbour_is_managed_by_the_kernel),
		T(test_lost_events_lead_to_a_dump),
	};

	f.usable = geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
	if (test_eal_init("256") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
