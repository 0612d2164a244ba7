// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/base/log.h"
#include "control/loop/match.h"

#define ADDRESS 0xc6120002

static struct conf good_conf(void)
{
	struct conf conf = {.n_listeners = 1,
		.relay = {.n_addresses = 1, .port_min = 49152, .port_max = 65535}};

	conf.listeners[0] = (struct conf_listener){
		.address = tp_ip4(ADDRESS), .port = 3478, .transports = CONF_TRANSPORT_UDP};
	conf.relay.addresses[0] = (struct conf_relay){
		.address = tp_ip4(ADDRESS), .public_address = tp_ip4(ADDRESS), .prefix_bits = 32};
	return conf;
}

static struct tp_attached good_said(void)
{
	struct tp_attached said = {
		.listeners = 1, .relays = 1, .port_min = 49152, .port_max = 65535};

	said.listener[0] = (struct tp_addr){.ip = tp_ip4(ADDRESS), .port = 3478};
	said.relay[0] = (struct tp_relay_place){
		.address = tp_ip4(ADDRESS), .public_address = tp_ip4(ADDRESS), .prefix_bits = 32};
	return said;
}

static void equal_configurations_are_silent(void **state)
{
	struct conf conf = good_conf();
	struct tp_attached said = good_said();

	assert_int_equal(ctl_match_warn(&conf, &said), 0);
}

static void every_difference_counts(void **state)
{
	struct conf conf = good_conf();
	struct tp_attached said = good_said();

	conf.listeners[0].port = 3479; // one that only we have, one that only it has
	assert_int_equal(ctl_match_warn(&conf, &said), 2);
	conf = good_conf();
	conf.relay.addresses[0].public_address = tp_ip4(0xcb007105);
	assert_int_equal(ctl_match_warn(&conf, &said), 2);
	conf = good_conf();
	conf.relay.addresses[0].prefix_bits = 26;
	assert_int_equal(ctl_match_warn(&conf, &said), 2);
	conf = good_conf();
	conf.relay.port_max = 60000;
	assert_int_equal(ctl_match_warn(&conf, &said), 1);
}

static void only_listeners_for_datagrams_are_the_dataplanes(void **state)
{
	struct conf conf = good_conf();
	struct tp_attached said = good_said();

	conf.n_listeners = 2;
	conf.listeners[1] = (struct conf_listener){
		.address = tp_ip4(ADDRESS), .port = 5349, .transports = CONF_TRANSPORT_TLS};
	assert_int_equal(ctl_match_warn(&conf, &said), 0);
	conf.listeners[1].transports |= CONF_TRANSPORT_DTLS;
	assert_int_equal(ctl_match_warn(&conf, &said), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_configurations_are_silent),
		cmocka_unit_test(every_difference_counts),
		cmocka_unit_test(only_listeners_for_datagrams_are_the_dataplanes),
	};

	tp_log_init("test", TP_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
