// SPDX-License-Identifier: BSD-3-Clause
// Runs in a network namespace of its own, which needs root or user namespaces; skipped without.
#include "tests/unit/config/conf_try.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "config/conf_host.h"

static bool have_namespace;

static void make_interfaces(void)
{
	static const char *const commands[] = {
		"ip link set lo up",
		"ip link add eth0 type veth peer name far",
		"ip link add eth1 type veth peer name far1",
		"ip link add bond7 type bridge",
		"ip link set eth1 master bond7",
		"ip addr add 198.18.0.2/24 dev eth0",
		"ip addr add 198.18.0.3/24 dev eth0",
		"ip addr add fd00:198:18::2/64 dev eth0 nodad",
		"ip addr add 198.18.1.2/24 dev bond7",
		"ip addr add 198.18.3.2/32 dev lo",
		"ip addr add 198.18.4.2/24 dev far",
		"ip link set eth0 up",
		"ip link set far up",
		"ip link set eth1 up",
		"ip link set bond7 up",
		"ip route add local 198.18.7.0/26 dev lo",
		"ip -6 route add local fd00:198:18:7::/120 dev lo",
		"ip route add local 198.18.8.0/31 dev lo",
		"ip route add local 198.18.8.2/32 dev lo",
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (system(commands[i]) != 0)
			fail_msg("failed: %s", commands[i]);
	}
}

static int group_setup(void **state)
{
	have_namespace =
		unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
		access("/proc/sys/net", F_OK) == 0 && system("ip link set lo up 2>/dev/null") == 0;
	if (have_namespace)
		make_interfaces();
	else
		fprintf(stderr, "no network namespace to be had: skipped\n");
	return 0;
}

// Checks a document of these ports, listeners and relay addresses, quotes as in JSON but single.
static void host_gives(const char *ports, const char *listeners, const char *relays,
	int expected_rc, const char *expected)
{
	char text[1024], *problems;
	struct conf *conf;
	FILE *errors;

	if (!have_namespace)
		skip();
	snprintf(text, sizeof(text),
		"{'realm':'r','ports':[%s],'workers':{'cores':[0]},'listeners':[%s],"
		"'relay':{'addresses':[%s]}}",
		ports, listeners, relays);
	for (char *c = text; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	if (try_load(text, strlen(text), &conf, &problems) != 0)
		fail_msg("%s", problems);
	free(problems);
	errors = try_stream(&problems);
	assert_int_equal(conf_check_host(conf, errors), expected_rc);
	fclose(errors);
	assert_string_equal(problems, expected);
	free(problems);
	conf_free(conf);
}

#define ETH0   "{'name':'a','interface':'eth0'}"
#define ETH1   "{'name':'b','interface':'eth1'}"
#define AT(ip) "{'address':'" ip "'}"

static void addresses_of_a_port_are_good(void **state)
{
	host_gives(ETH0, AT("198.18.0.2") "," AT("fd00:198:18::2"), AT("198.18.0.3"), 0, "");
}

static void bridge_and_loopback_reach_a_port(void **state)
{
	host_gives(ETH0 "," ETH1, AT("198.18.1.2"), AT("198.18.3.2"), 0, "");
}

// Not every kernel has these kinds of interface.
static void make_or_skip(const char *command)
{
	if (!have_namespace || system(command) != 0)
		skip();
}

static void dummy_reaches_a_port(void **state)
{
	make_or_skip(
		"ip link add pin type dummy 2>/dev/null && ip addr add 198.18.2.2/32 dev pin && "
		"ip link set pin up");
	host_gives(ETH0, AT("198.18.2.2"), AT("198.18.2.2"), 0, "");
	assert_int_equal(system("ip link del pin"), 0);
}

static void vlan_reaches_the_port_below(void **state)
{
	make_or_skip("ip link add link eth0 name eth0.9 type vlan id 9 2>/dev/null && "
		     "ip addr add 198.18.9.2/24 dev eth0.9 && ip link set eth0.9 up");
	host_gives(ETH0, AT("198.18.9.2"), AT("198.18.9.2"), 0, "");
	host_gives(ETH1, AT("198.18.3.2"), AT("198.18.9.2"), -EINVAL,
		"t.json: relay.addresses[0].address: 198.18.9.2 is on no interface of a port (eth1 "
		"has no "
		"IPv4 address)\n");
	assert_int_equal(system("ip link del eth0.9"), 0);
}

static void local_routes_cover_prefixes(void **state)
{
	host_gives(ETH0, AT("198.18.7.5"),
		"{'prefix':'198.18.7.0/26'},{'prefix':'fd00:198:18:7::/122'}", 0, "");
	host_gives(ETH0, AT("198.18.0.2"), "{'prefix':'198.18.0.2/31'}", 0, ""); // two addresses
}

static void missing_interface_is_named(void **state)
{
	host_gives("{'name':'a','interface':'eth9'}", AT("198.18.0.2"), AT("198.18.0.2"), -EINVAL,
		"t.json: ports[0].interface: there is no interface eth9 (this host has lo, far, "
		"eth0, "
		"far1, eth1, bond7)\n");
}

static void address_elsewhere_is_named(void **state)
{
	host_gives(ETH0, AT("198.18.0.9") "," AT("fd00:198:18::9"), AT("198.18.4.2"), -EINVAL,
		"t.json: listeners[0].address: 198.18.0.9 is on no interface of a port (eth0 has "
		"198.18.0.2, 198.18.0.3)\n"
		"t.json: listeners[1].address: fd00:198:18::9 is on no interface of a port (eth0 "
		"has "
		"fd00:198:18::2)\n"
		"t.json: relay.addresses[0].address: 198.18.4.2 is on no interface of a port (eth0 "
		"has "
		"198.18.0.2, 198.18.0.3)\n");
	host_gives(ETH1, AT("198.18.0.2"), AT("198.18.1.2"), -EINVAL,
		"t.json: listeners[0].address: 198.18.0.2 is on no interface of a port (eth1 has "
		"no IPv4 "
		"address)\n");
}

// The relay addresses, and behind them the section in question.
#define DISCOVERY(members) AT("198.18.0.3") "]},'nat_discovery':{" members "},'peers':{'allow':["

static void alternate_addresses_are_looked_for(void **state)
{
	const char *both = AT("198.18.0.2") "," AT("fd00:198:18::2");

	host_gives(ETH0, both, DISCOVERY("'alternate_address':'198.18.0.3'"), 0, "");
	host_gives(ETH0, both,
		DISCOVERY("'alternate_address':'198.18.0.9','alternate_address6':'fd00:198:18::9'"),
		-EINVAL,
		"t.json: nat_discovery.alternate_address: 198.18.0.9 is on no interface of a port "
		"(eth0 has 198.18.0.2, 198.18.0.3)\n"
		"t.json: nat_discovery.alternate_address6: fd00:198:18::9 is on no interface of a "
		"port (eth0 has fd00:198:18::2)\n");
}

static void prefix_with_a_hole_is_named(void **state)
{
	host_gives(ETH0, AT("198.18.0.2"), "{'prefix':'198.18.8.0/30'}", -EINVAL,
		"t.json: relay.addresses[0].prefix: 198.18.8.3 is not local; `ip route add local "
		"198.18.8.0/30 dev lo` makes the whole prefix so\n");
	host_gives(ETH0, AT("198.18.0.2"), "{'prefix':'198.18.7.0/25'}", -EINVAL,
		"t.json: relay.addresses[0].prefix: 198.18.7.64 is not local; `ip route add local "
		"198.18.7.0/25 dev lo` makes the whole prefix so\n");
	host_gives(ETH0, AT("198.18.0.2"), "{'prefix':'fd00:198:18:7::/119'}", -EINVAL,
		"t.json: relay.addresses[0].prefix: fd00:198:18:7::100 is not local; `ip route add "
		"local "
		"fd00:198:18:7::/119 dev lo` makes the whole prefix so\n");
}

static void bench_ports_have_no_addresses(void **state)
{
	host_gives("{'name':'a','mode':'bench','vdev':'net_null0'}", AT("192.0.2.1"),
		AT("192.0.2.2"), 0, "");
	host_gives("{'name':'a','mode':'bench','vdev':'net_null0','interface':'none0'}",
		AT("192.0.2.1"), AT("192.0.2.2"), -EINVAL,
		"t.json: ports[0].interface: there is no interface none0 (this host has lo, far, "
		"eth0, far1, eth1, bond7)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_a_port_are_good),
		cmocka_unit_test(bridge_and_loopback_reach_a_port),
		cmocka_unit_test(dummy_reaches_a_port),
		cmocka_unit_test(vlan_reaches_the_port_below),
		cmocka_unit_test(local_routes_cover_prefixes),
		cmocka_unit_test(missing_interface_is_named),
		cmocka_unit_test(address_elsewhere_is_named),
		cmocka_unit_test(alternate_addresses_are_looked_for),
		cmocka_unit_test(prefix_with_a_hole_is_named),
		cmocka_unit_test(bench_ports_have_no_addresses),
	};
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
