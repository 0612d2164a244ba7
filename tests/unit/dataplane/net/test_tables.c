// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/net/tables.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/net/messages.h"

#define WAN   7  // ifindex of port 0
#define LAN   9  // of port 1
#define VLAN  12 // 802.1Q interface on WAN
#define OTHER 20 // none of ours
#define UP    (IFF_UP | IFF_RUNNING)

static struct {
	struct conf conf;
	struct dp dp;
	struct net_tables t;
	struct dp_next_hop *hops;
	int kept, dropped;
	struct message m;
} f;

static void count_ask(void *context, enum net_wish wish, uint32_t ifindex, const struct tp_ip *ip)
{
	if (wish == NET_WISH_KEEP)
		f.kept++;
	else
		f.dropped++;
}

static void apply(const struct nlmsghdr *message)
{
	dp_net_tables_apply(&f.t, message);
}

static struct tp_ip ip(const char *text)
{
	struct tp_ip out;
	assert_int_equal(tp_ip_parse(text, &out), 0);
	return out;
}

static int setup(void **state)
{
	memset(&f, 0, sizeof(f));
	f.conf.limits.routes = 64;
	f.hops = aligned_alloc(64, DP_NEXT_HOP_MAX * sizeof(*f.hops));
	memset(f.hops, 0, DP_NEXT_HOP_MAX * sizeof(*f.hops));
	f.dp = (struct dp){.conf = &f.conf, .next_hops = f.hops, .n_ports = 2};
	f.dp.ports[0].routes_ifindex = WAN;
	f.dp.ports[1].routes_ifindex = LAN;
	if (dp_net_tables_init(&f.t, &f.dp, (struct net_asker){.ask = count_ask}) < 0)
		return -1;
	apply(link_message(&f.m, RTM_NEWLINK, WAN, UP, 1500, 0, 0));
	apply(link_message(&f.m, RTM_NEWLINK, LAN, UP, 9000, 0, 0));
	apply(link_message(&f.m, RTM_NEWLINK, VLAN, UP, 1496, 100, WAN));
	apply(link_message(&f.m, RTM_NEWLINK, OTHER, UP, 1500, 0, 0));
	f.t.reread = false;
	return 0;
}

static int teardown(void **state)
{
	dp_net_tables_fini(&f.t);
	free(f.hops);
	return 0;
}

static void add(
	const char *prefix, uint8_t bits, uint32_t oif, const char *gateway, uint32_t metric)
{
	apply(route_message(&f.m, RTM_NEWROUTE, prefix, bits, RT_TABLE_MAIN, RTN_UNICAST, oif,
		gateway, metric));
}

static void del(const char *prefix, uint8_t bits, uint32_t metric)
{
	apply(route_message(
		&f.m, RTM_DELROUTE, prefix, bits, RT_TABLE_MAIN, RTN_UNICAST, 0, NULL, metric));
}

static uint16_t lookup(const char *text)
{
	struct tp_ip address = ip(text);
	return dp_net_route_lookup(&f.t, &address);
}

static uint16_t on_link(uint32_t ifindex)
{
	return (uint16_t)(NET_ON_LINK | dp_net_link_find(&f.t, ifindex));
}

static uint16_t hop_of(uint32_t ifindex, const char *text)
{
	struct tp_ip address = ip(text);
	return dp_net_hop_find(&f.t, ifindex, &address);
}

static void neighbour(const char *text, uint16_t state, uint8_t mac)
{
	apply(neighbour_message(&f.m, RTM_NEWNEIGH, WAN, text, state, mac, 0));
}

// The last byte of the MAC, 0 when unresolved.
static int mac_of(uint16_t hop)
{
	uint64_t state = atomic_load(&f.hops[hop].mac_state);
	uint8_t bytes[8];

	memcpy(bytes, &state, sizeof(bytes));
	return state & DP_MAC_RESOLVED ? bytes[5] : 0;
}

static void test_only_interfaces_of_our_ports_are_kept(void **state)
{
	assert_true(dp_net_link_find(&f.t, WAN) >= 0);
	assert_int_equal(dp_net_link_find(&f.t, OTHER), -1);
	assert_int_equal(f.t.links[dp_net_link_find(&f.t, VLAN)].port, 0);
	assert_int_equal(f.t.links[dp_net_link_find(&f.t, VLAN)].vlan, 100);
	assert_int_equal(f.t.links[dp_net_link_find(&f.t, LAN)].vlan, 0xffff);
	assert_int_equal(f.dp.ports[0].mtu, 1500); // not the VLAN interface's
	assert_int_equal(f.dp.ports[1].mtu, 9000);
	apply(link_message(&f.m, RTM_NEWLINK, 30, UP, 1500, 5, OTHER));
	assert_int_equal(dp_net_link_find(&f.t, 30), -1);
}

static void test_a_link_going_down_asks_for_a_dump(void **state)
{
	apply(link_message(&f.m, RTM_NEWLINK, WAN, UP, 1400, 0, 0));
	assert_false(f.t.reread);
	assert_int_equal(f.dp.ports[0].mtu, 1400);
	apply(link_message(&f.m, RTM_NEWLINK, WAN, IFF_UP, 1400, 0, 0));
	assert_true(f.t.reread);
	assert_int_equal(f.dp.ports[0].up, 0);
}

// A longer prefix with the value of the one around it, again and again: there is room for more than
// these few, and for others afterwards.
static void test_routes_inside_of_equal_ones_leave_room(void **state)
{
	add("203.0.112.0", 20, WAN, NULL, 0);
	add("2001:db8::", 32, WAN, NULL, 0);
	for (int i = 0; i < 3; i++) {
		add("203.0.113.7", 32, WAN, NULL, 0);
		add("2001:db8::7", 128, WAN, NULL, 0);
		assert_int_equal(lookup("203.0.113.7"), on_link(WAN));
		assert_int_equal(lookup("2001:db8::7"), on_link(WAN));
		del("203.0.113.7", 32, 0);
		del("2001:db8::7", 128, 0);
	}
	add("203.0.113.9", 32, LAN, NULL, 0);
	add("2001:db8::9", 128, LAN, NULL, 0);
	assert_int_equal(lookup("203.0.113.9"), on_link(LAN));
	assert_int_equal(lookup("2001:db8::9"), on_link(LAN));
	assert_int_equal(lookup("203.0.113.8"), on_link(WAN));
	assert_int_equal(lookup("2001:db8::8"), on_link(WAN));
	assert_int_equal(f.t.routes.refused, 0);
}

static void test_longest_prefix_wins_and_default_is_last(void **state)
{
	assert_int_equal(lookup("198.18.0.9"), 0);
	add("0.0.0.0", 0, WAN, "198.18.0.1", 0);
	add("198.18.0.0", 24, WAN, NULL, 0);
	add("198.18.0.128", 25, LAN, NULL, 0);
	assert_int_equal(lookup("198.18.0.9"), on_link(WAN));
	assert_int_equal(lookup("198.18.0.200"), on_link(LAN));
	assert_int_equal(lookup("203.0.113.1"), hop_of(WAN, "198.18.0.1"));
	assert_int_not_equal(lookup("203.0.113.1"), 0);
	del("198.18.0.128", 25, 0);
	assert_int_equal(lookup("198.18.0.200"), on_link(WAN));
	del("0.0.0.0", 0, 0);
	assert_int_equal(lookup("203.0.113.1"), 0);
}

static void test_ipv6_routes(void **state)
{
	add("::", 0, WAN, "fe80::1", 1024);
	add("fd00:198:18::", 64, VLAN, NULL, 256);
	assert_int_equal(lookup("fd00:198:18::5"), on_link(VLAN));
	assert_int_equal(lookup("2001:db8::1"), hop_of(WAN, "fe80::1"));
	assert_int_equal(lookup("198.18.0.1"), 0);
	del("fd00:198:18::", 64, 256);
	assert_int_equal(lookup("fd00:198:18::5"), hop_of(WAN, "fe80::1"));
}

static void test_lower_metric_wins_and_the_other_returns(void **state)
{
	add("198.18.4.0", 24, WAN, NULL, 100);
	add("198.18.4.0", 24, LAN, NULL, 50);
	assert_int_equal(lookup("198.18.4.1"), on_link(LAN));
	del("198.18.4.0", 24, 50);
	assert_int_equal(lookup("198.18.4.1"), on_link(WAN));
}

static void test_refusing_routes_and_foreign_interfaces_hide_what_is_behind(void **state)
{
	static const uint8_t kinds[] = {RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_LOCAL};

	add("0.0.0.0", 0, WAN, NULL, 0);
	for (size_t i = 0; i < sizeof(kinds); i++) {
		apply(route_message(
			&f.m, RTM_NEWROUTE, "198.18.5.0", 24, RT_TABLE_MAIN, kinds[i], 0, NULL, 0));
		assert_int_equal(lookup("198.18.5.1"), 0);
		del("198.18.5.0", 24, 0);
		assert_int_equal(lookup("198.18.5.1"), on_link(WAN));
	}
	add("198.18.6.0", 24, OTHER, NULL, 0);
	assert_int_equal(lookup("198.18.6.1"), 0);
}

static void test_local_table_comes_before_main_and_others_are_ignored(void **state)
{
	add("198.18.0.2", 32, WAN, NULL, 0);
	apply(route_message(
		&f.m, RTM_NEWROUTE, "198.18.0.2", 32, RT_TABLE_LOCAL, RTN_LOCAL, WAN, NULL, 0));
	assert_int_equal(lookup("198.18.0.2"), 0);
	apply(route_message(&f.m, RTM_NEWROUTE, "198.18.9.0", 24, 1000, RTN_UNICAST, WAN, NULL, 0));
	assert_int_equal(lookup("198.18.9.1"), 0);
}

static bool no_sender(const char *text)
{
	struct tp_ip address = ip(text);
	return dp_net_route_no_sender(&f.t, &address);
}

static void local(const char *prefix, uint8_t bits, uint8_t kind)
{
	apply(route_message(&f.m, RTM_NEWROUTE, prefix, bits, RT_TABLE_LOCAL, kind, WAN, NULL, 0));
}

static void test_nothing_is_sent_by_broadcast_or_own_addresses(void **state)
{
	add("0.0.0.0", 0, WAN, "198.18.0.1", 0);
	add("198.18.0.0", 24, WAN, NULL, 0);
	assert_false(no_sender("198.18.0.255"));
	local("198.18.0.255", 32, RTN_BROADCAST);
	local("198.18.0.2", 32, RTN_LOCAL);
	local("198.18.7.0", 26, RTN_LOCAL);
	local("fd00:198:18::", 128, RTN_ANYCAST);
	local("fd00:198:18::2", 128, RTN_LOCAL);
	assert_true(no_sender("198.18.0.255"));
	assert_true(no_sender("198.18.0.2"));
	assert_true(no_sender("198.18.7.63"));
	assert_true(no_sender("fd00:198:18::"));
	assert_true(no_sender("fd00:198:18::2"));
	assert_int_equal(lookup("198.18.0.255"), 0);
	assert_false(no_sender("198.18.0.254"));
	assert_false(no_sender("198.18.7.64"));
	assert_false(no_sender("203.0.113.1"));
	assert_false(no_sender("fd00:198:18::3"));
	// The network is gone.
	apply(route_message(&f.m, RTM_DELROUTE, "198.18.0.255", 32, RT_TABLE_LOCAL, RTN_BROADCAST,
		WAN, NULL, 0));
	assert_false(no_sender("198.18.0.255"));
	assert_int_equal(lookup("198.18.0.255"), on_link(WAN));
	// What the operator refuses, and defaults, say nothing about senders.
	apply(route_message(
		&f.m, RTM_NEWROUTE, "198.18.5.0", 24, RT_TABLE_MAIN, RTN_BLACKHOLE, 0, NULL, 0));
	assert_false(no_sender("198.18.5.1"));
	local("::", 0, RTN_LOCAL);
	assert_false(no_sender("2001:db8::1"));
	assert_int_equal(lookup("2001:db8::1"), 0);
}

static void test_multipath_takes_the_first_usable_hop(void **state)
{
	struct nlmsghdr *h = route_message(
		&f.m, RTM_NEWROUTE, "198.18.8.0", 24, RT_TABLE_MAIN, RTN_UNICAST, 0, NULL, 0);
	struct nlattr *nest = mnl_attr_nest_start(h, RTA_MULTIPATH);

	put_hop(h, OTHER, 0, "198.18.0.1");
	put_hop(h, WAN, RTNH_F_DEAD, "198.18.0.2");
	put_hop(h, LAN, 0, "198.18.0.3");
	put_hop(h, WAN, 0, "198.18.0.4");
	mnl_attr_nest_end(h, nest);
	apply(h);
	assert_int_equal(lookup("198.18.8.1"), hop_of(LAN, "198.18.0.3"));
	assert_int_not_equal(lookup("198.18.8.1"), 0);
	assert_int_equal(hop_of(WAN, "198.18.0.4"), 0);
}

static void test_ipv6_multipath_losing_a_hop_is_read_again(void **state)
{
	struct nlmsghdr *h = route_message(
		&f.m, RTM_NEWROUTE, "2001:db8::", 32, RT_TABLE_MAIN, RTN_UNICAST, 0, NULL, 1024);
	struct nlattr *nest = mnl_attr_nest_start(h, RTA_MULTIPATH);

	put_hop(h, WAN, 0, "fe80::1");
	put_hop(h, LAN, 0, "fe80::2");
	mnl_attr_nest_end(h, nest);
	apply(h);
	del("2001:db8::", 32, 1024);
	assert_true(f.t.reread);
	assert_int_not_equal(lookup("2001:db8::1"), 0);
}

static void test_damaged_messages_change_nothing(void **state)
{
	uint64_t generation = f.t.generation;
	struct nlmsghdr *h;

	h = route_message(
		&f.m, RTM_NEWROUTE, "198.18.0.0", 33, RT_TABLE_MAIN, RTN_UNICAST, WAN, NULL, 0);
	apply(h);
	h = route_message(
		&f.m, RTM_NEWROUTE, "198.18.0.0", 24, RT_TABLE_MAIN, RTN_UNICAST, WAN, NULL, 0);
	h->nlmsg_len = NLMSG_LENGTH(4); // header cut off
	apply(h);
	h = start(&f.m, RTM_NEWROUTE, 0);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	rt->rtm_family = AF_INET;
	rt->rtm_dst_len = 24;
	rt->rtm_table = RT_TABLE_MAIN;
	rt->rtm_type = RTN_UNICAST;
	mnl_attr_put_u16(h, RTA_DST, 1); // two bytes of an address
	apply(h);
	h = neighbour_message(&f.m, RTM_NEWNEIGH, WAN, "198.18.0.3", NUD_REACHABLE, 0, 0);
	mnl_attr_put_u16(h, NDA_LLADDR, 1);
	apply(h);
	assert_int_equal(f.t.generation, generation);
	assert_int_equal(f.t.routes.count, 0);
	assert_int_equal(hop_of(WAN, "198.18.0.3"), 0);
}

static void test_more_routes_than_fit_are_counted(void **state)
{
	char text[32];

	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "198.18.%d.0", i);
		add(text, 24, WAN, NULL, 0);
	}
	assert_int_equal(f.t.routes.count, 128);
	assert_true(f.t.routes.refused > 0);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "198.18.%d.0", i);
		del(text, 24, 0);
	}
	assert_int_equal(f.t.routes.count, 0);
	add("198.18.0.0", 24, WAN, NULL, 0);
	assert_int_equal(lookup("198.18.0.1"), on_link(WAN));
}

static void test_neighbour_states(void **state)
{
	static const uint16_t usable[] = {
		NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_PERMANENT, NUD_NOARP};
	struct tp_ip address = ip("198.18.0.3");
	uint16_t hop = dp_net_hop_hold(&f.t, WAN, &address);

	assert_int_not_equal(hop, 0);
	assert_int_equal(f.hops[hop].mtu, 1500);
	for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++) {
		neighbour("198.18.0.3", usable[i], (uint8_t)(i + 1));
		assert_int_equal(mac_of(hop), i + 1);
	}
	neighbour("198.18.0.3", NUD_FAILED, 0);
	assert_int_equal(mac_of(hop), 0);
	neighbour("198.18.0.3", NUD_REACHABLE, 9);
	apply(neighbour_message(&f.m, RTM_DELNEIGH, WAN, "198.18.0.3", NUD_REACHABLE, 9, 0));
	assert_int_equal(mac_of(hop), 0);
	assert_int_equal(hop_of(WAN, "198.18.0.3"), hop);
}

static void test_neighbours_elsewhere_are_not_mirrored(void **state)
{
	apply(neighbour_message(&f.m, RTM_NEWNEIGH, OTHER, "198.18.0.3", NUD_REACHABLE, 1, 0));
	assert_int_equal(hop_of(OTHER, "198.18.0.3"), 0);
	apply(neighbour_message(&f.m, RTM_NEWNEIGH, VLAN, "198.18.0.3", NUD_REACHABLE, 1, 0));
	assert_int_equal(f.hops[hop_of(VLAN, "198.18.0.3")].vlan, 100);
	assert_int_equal(hop_of(WAN, "198.18.0.3"), 0);
}

static void test_the_first_hold_asks_and_the_last_release_drops(void **state)
{
	struct tp_ip address = ip("198.18.0.3");
	uint16_t a = dp_net_hop_hold(&f.t, WAN, &address);
	uint16_t b = dp_net_hop_hold(&f.t, WAN, &address);

	assert_int_equal(a, b);
	assert_int_equal(f.kept, 1);
	assert_int_equal(dp_net_hops_unresolved(&f.t), 1);
	dp_net_hop_release(&f.t, a);
	assert_int_equal(f.dropped, 0);
	dp_net_hop_release(&f.t, b);
	assert_int_equal(f.dropped, 1);
	assert_int_equal(hop_of(WAN, "198.18.0.3"), 0);
	assert_int_equal(dp_net_hops_unresolved(&f.t), 0);
}

static void test_a_static_neighbour_is_never_asked_for(void **state)
{
	struct tp_ip address = ip("198.18.0.3");
	uint16_t hop;

	neighbour("198.18.0.3", NUD_PERMANENT, 3);
	hop = dp_net_hop_hold(&f.t, WAN, &address);
	dp_net_hops_tick(&f.t, 0);
	dp_net_hop_release(&f.t, hop);
	assert_int_equal(f.kept + f.dropped, 0);
	assert_int_equal(mac_of(hop_of(WAN, "198.18.0.3")), 3);
}

static void test_ticks_ask_for_the_unresolved_and_refresh_the_unmanaged(void **state)
{
	struct tp_ip address = ip("198.18.0.3");

	dp_net_hop_hold(&f.t, WAN, &address);
	f.kept = 0;
	for (uint64_t round = 0; round < 10; round++)
		dp_net_hops_tick(&f.t, round);
	assert_int_equal(f.kept, 10);
	neighbour("198.18.0.3", NUD_REACHABLE, 3);
	f.kept = 0;
	for (uint64_t round = 0; round < 20; round++)
		dp_net_hops_tick(&f.t, round);
	assert_int_equal(f.kept, 2);
	apply(neighbour_message(
		&f.m, RTM_NEWNEIGH, WAN, "198.18.0.3", NUD_REACHABLE, 3, NTF_EXT_MANAGED));
	f.kept = 0;
	for (uint64_t round = 0; round < 20; round++)
		dp_net_hops_tick(&f.t, round);
	assert_int_equal(f.kept, 0);
}

static void test_a_route_holds_its_gateway(void **state)
{
	add("0.0.0.0", 0, WAN, "198.18.0.1", 0);
	uint16_t hop = hop_of(WAN, "198.18.0.1");
	assert_int_equal(f.hops[hop].references, 1);
	add("198.18.77.0", 24, WAN, "198.18.0.1", 0);
	assert_int_equal(f.hops[hop].references, 2);
	add("0.0.0.0", 0, WAN, "198.18.0.1", 0); // the same once more
	assert_int_equal(f.hops[hop].references, 2);
	del("0.0.0.0", 0, 0);
	del("198.18.77.0", 24, 0);
	assert_int_equal(hop_of(WAN, "198.18.0.1"), 0);
}

static void test_the_generation_counts_route_changes_only(void **state)
{
	uint64_t before = f.t.generation;

	neighbour("198.18.0.3", NUD_REACHABLE, 3);
	assert_int_equal(f.t.generation, before);
	add("198.18.0.0", 24, WAN, NULL, 0);
	assert_true(f.t.generation > before);
	before = f.t.generation;
	add("198.18.0.0", 24, WAN, NULL, 0);
	assert_int_equal(f.t.generation, before);
	del("198.18.0.0", 24, 0);
	assert_true(f.t.generation > before);
}

static void test_a_dump_removes_what_it_did_not_show(void **state)
{
	add("198.18.1.0", 24, WAN, NULL, 0);
	add("198.18.2.0", 24, WAN, NULL, 0);
	neighbour("198.18.0.3", NUD_REACHABLE, 3);
	neighbour("198.18.0.4", NUD_REACHABLE, 4);
	dp_net_tables_dump_begin(&f.t);
	apply(link_message(&f.m, RTM_NEWLINK, WAN, UP, 1500, 0, 0));
	neighbour("198.18.0.4", NUD_REACHABLE, 4);
	add("198.18.2.0", 24, WAN, NULL, 0);
	dp_net_tables_dump_end(&f.t, true);
	assert_int_equal(lookup("198.18.1.1"), 0);
	assert_int_equal(lookup("198.18.2.1"), on_link(WAN));
	assert_int_equal(hop_of(WAN, "198.18.0.3"), 0);
	assert_int_equal(mac_of(hop_of(WAN, "198.18.0.4")), 4);
	assert_int_equal(dp_net_link_find(&f.t, VLAN), -1);
}

static void test_an_interrupted_dump_removes_nothing_and_is_repeated(void **state)
{
	add("198.18.1.0", 24, WAN, NULL, 0);
	dp_net_tables_dump_begin(&f.t);
	dp_net_tables_dump_end(&f.t, false);
	assert_int_equal(lookup("198.18.1.1"), on_link(WAN));
	assert_true(f.t.reread);
}

static void test_of_two_routes_under_one_key_the_first_counts(void **state)
{
	dp_net_tables_dump_begin(&f.t);
	apply(link_message(&f.m, RTM_NEWLINK, WAN, UP, 1500, 0, 0));
	apply(link_message(&f.m, RTM_NEWLINK, LAN, UP, 1500, 0, 0));
	add("198.18.1.0", 24, WAN, NULL, 0);
	add("198.18.1.0", 24, LAN, NULL, 0);
	dp_net_tables_dump_end(&f.t, true);
	assert_int_equal(lookup("198.18.1.1"), on_link(WAN));
	del("198.18.1.0", 24, 0);
	assert_true(f.t.reread); // which of the two is left, only the kernel knows
}

static void test_an_interface_that_goes_away_orphans_its_next_hops(void **state)
{
	struct tp_ip address = ip("198.18.0.3");
	uint16_t old = dp_net_hop_hold(&f.t, WAN, &address), fresh;
	uint64_t before = f.t.generation;

	neighbour("198.18.0.3", NUD_REACHABLE, 3);
	neighbour("198.18.0.4", NUD_REACHABLE, 4);
	apply(link_message(&f.m, RTM_DELLINK, WAN, 0, 1500, 0, 0));
	assert_int_equal(mac_of(old), 0);
	assert_int_equal(hop_of(WAN, "198.18.0.4"), 0);
	assert_true(f.t.generation > before);
	assert_int_equal(dp_net_hop_hold(&f.t, WAN, &address), 0);
	apply(link_message(&f.m, RTM_NEWLINK, WAN, UP, 1500, 0, 0));
	fresh = dp_net_hop_hold(&f.t, WAN, &address);
	assert_int_not_equal(fresh, 0);
	assert_int_not_equal(fresh, old);
	dp_net_hop_release(&f.t, old);
	dp_net_hop_release(&f.t, fresh);
}

static void test_a_full_table_refuses_and_recovers(void **state)
{
	static uint16_t held[DP_NEXT_HOP_MAX];
	struct tp_ip address = ip("198.18.0.0");
	uint32_t n = 0;

	for (; n < DP_NEXT_HOP_MAX; n++) {
		address.bytes[2] = (uint8_t)(n >> 8);
		address.bytes[3] = (uint8_t)n;
		held[n] = dp_net_hop_hold(&f.t, WAN, &address);
		if (held[n] == DP_NEXT_HOP_NONE)
			break;
	}
	assert_int_equal(n, DP_NEXT_HOP_MAX - 1);
	dp_net_hop_release(&f.t, held[100]);
	assert_int_equal(dp_net_hop_hold(&f.t, WAN, &address), held[100]);
	for (uint32_t i = 0; i < n; i++)
		dp_net_hop_release(&f.t, held[i]);
	assert_int_equal(f.t.hops.free_count, DP_NEXT_HOP_MAX - 1);
	assert_int_equal(f.t.hops.held + f.t.hops.idle, 0);
}

static void test_idle_neighbours_leave_room_for_those_in_use(void **state)
{
	char text[32];
	struct tp_ip address = ip("198.19.0.1");

	for (uint32_t i = 0; i < DP_NEXT_HOP_MAX; i++) {
		snprintf(text, sizeof(text), "198.18.%u.%u", i >> 8, i & 255);
		neighbour(text, NUD_STALE, 1);
	}
	assert_int_equal(f.t.hops.idle, NET_IDLE_HOPS_MAX);
	assert_int_not_equal(dp_net_hop_hold(&f.t, WAN, &address), 0);
}

static void test_a_freed_entry_waits_for_the_readers(void **state)
{
	size_t bytes = rte_rcu_qsbr_get_memsize(1);
	struct rte_rcu_qsbr *qsbr = aligned_alloc(64, RTE_ALIGN_CEIL(bytes, 64));
	struct tp_ip a = ip("198.18.0.3"), b = ip("198.18.0.4");
	uint16_t hop;

	rte_rcu_qsbr_init(qsbr, 1);
	rte_rcu_qsbr_thread_register(qsbr, 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	f.dp.qsbr = qsbr;
	f.t.hops.free_count = 1; // only one entry to give
	hop = dp_net_hop_hold(&f.t, WAN, &a);
	assert_int_not_equal(hop, 0);
	dp_net_hop_release(&f.t, hop);
	assert_int_equal(dp_net_hop_hold(&f.t, WAN, &b), 0);
	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_int_equal(dp_net_hop_hold(&f.t, WAN, &b), hop);
	f.dp.qsbr = NULL;
	free(qsbr);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_only_interfaces_of_our_ports_are_kept),
		T(test_a_link_going_down_asks_for_a_dump),
		T(test_routes_inside_of_equal_ones_leave_room),
		T(test_longest_prefix_wins_and_default_is_last),
		T(test_ipv6_routes),
		T(test_lower_metric_wins_and_the_other_returns),
		T(test_refusing_routes_and_foreign_interfaces_hide_what_is_behind),
		T(test_local_table_comes_before_main_and_others_are_ignored),
		T(test_nothing_is_sent_by_broadcast_or_own_addresses),
		T(test_multipath_takes_the_first_usable_hop),
		T(test_ipv6_multipath_losing_a_hop_is_read_again),
		T(test_damaged_messages_change_nothing),
		T(test_more_routes_than_fit_are_counted),
		T(test_neighbour_states),
		T(test_neighbours_elsewhere_are_not_mirrored),
		T(test_the_first_hold_asks_and_the_last_release_drops),
		T(test_a_static_neighbour_is_never_asked_for),
		T(test_ticks_ask_for_the_unresolved_and_refresh_the_unmanaged),
		T(test_a_route_holds_its_gateway),
		T(test_the_generation_counts_route_changes_only),
		T(test_a_dump_removes_what_it_did_not_show),
		T(test_an_interrupted_dump_removes_nothing_and_is_repeated),
		T(test_of_two_routes_under_one_key_the_first_counts),
		T(test_an_interface_that_goes_away_orphans_its_next_hops),
		T(test_a_full_table_refuses_and_recovers),
		T(test_idle_neighbours_leave_room_for_those_in_use),
		T(test_a_freed_entry_waits_for_the_readers),
	};

	if (test_eal_init("256") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
