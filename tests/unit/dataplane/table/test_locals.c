// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/table/local_find.h"
#include "tests/unit/dataplane/eal.h"

static struct tp_ip ip(const char *text)
{
	struct tp_ip out;
	assert_int_equal(tp_ip_parse(text, &out), 0);
	return out;
}

static void add_relay(struct conf *conf, const char *address, const char *public, uint8_t bits)
{
	conf->relay.addresses[conf->relay.n_addresses++] = (struct conf_relay){
		.address = ip(address), .public_address = ip(public), .prefix_bits = bits};
}

static void add_listener(struct conf *conf, const char *address, uint16_t port, uint32_t transports)
{
	conf->listeners[conf->n_listeners++] = (struct conf_listener){
		.address = ip(address), .port = port, .transports = transports};
}

static uint16_t find(const struct dp_locals *l, const char *text)
{
	struct tp_ip address = ip(text);
	return dp_local_find(l, address.family, address.bytes);
}

static struct dp_locals *example(void)
{
	static struct conf conf;

	memset(&conf, 0, sizeof(conf));
	conf.relay.port_min = 49152;
	conf.relay.port_max = 50000;
	add_relay(&conf, "198.18.0.2", "198.18.0.2", 32);
	add_relay(&conf, "10.0.0.5", "203.0.113.5", 32);
	add_relay(&conf, "198.18.7.0", "198.18.7.0", 26);
	add_relay(&conf, "fd00:198:18::fc", "2001:db8::fc", 126);
	add_listener(&conf, "198.18.0.2", 5349, CONF_TRANSPORT_TLS | CONF_TRANSPORT_DTLS);
	add_listener(&conf, "198.18.0.2", 443, CONF_TRANSPORT_TLS);
	add_listener(&conf, "198.18.0.2", 3478, CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP);
	add_listener(&conf, "198.18.0.9", 3478, CONF_TRANSPORT_UDP);
	add_listener(&conf, "fd00:198:18::2", 3478, CONF_TRANSPORT_UDP);
	return dp_locals_create(&conf, SOCKET_ID_ANY);
}

static void test_addresses_of_the_config_are_found(void **state)
{
	struct dp_locals *l = example();

	assert_non_null(l);
	assert_int_equal(dp_local_count(l), 2 + 64 + 4 + 2);
	uint16_t local = find(l, "198.18.7.63");
	assert_int_not_equal(local, DP_LOCAL_NONE);
	assert_int_equal(dp_local_at(l, local)->relay, 1);
	assert_int_equal(dp_local_at(l, local)->listener, 0);
	assert_int_equal(find(l, "198.18.7.64"), DP_LOCAL_NONE);
	assert_int_equal(find(l, "198.18.6.255"), DP_LOCAL_NONE);
	local = find(l, "198.18.0.2");
	assert_int_equal(dp_local_at(l, local)->relay, 1);
	assert_int_equal(dp_local_at(l, local)->listener, 1);
	local = find(l, "198.18.0.9");
	assert_int_equal(dp_local_at(l, local)->relay, 0);
	local = find(l, "fd00:198:18::ff");
	assert_true(tp_ip_equal(&dp_local_at(l, local)->address, &(struct tp_ip){0}) == false);
	assert_int_equal(dp_local_at(l, local)->address.bytes[15], 0xff);
	assert_int_equal(find(l, "fd00:198:18::100"), DP_LOCAL_NONE);
	// An IPv6 address that begins like a local IPv4 one is another address.
	assert_int_equal(find(l, "c612:2::"), DP_LOCAL_NONE);
	dp_locals_destroy(l);
}

static void test_public_form(void **state)
{
	struct dp_locals *l = example();
	struct tp_ip public = ip("203.0.113.5"), private = ip("10.0.0.5");
	struct tp_ip plain = ip("198.18.7.9"), other = ip("203.0.113.6");
	struct tp_ip public6 = ip("2001:db8::fe"), none = {0};

	assert_int_equal(dp_local_find_public(l, &public), find(l, "10.0.0.5"));
	assert_int_equal(dp_local_find_public(l, &private), find(l, "10.0.0.5"));
	assert_int_equal(find(l, "203.0.113.5"), DP_LOCAL_NONE);
	assert_int_equal(dp_local_find_public(l, &plain), find(l, "198.18.7.9"));
	assert_int_equal(dp_local_find_public(l, &public6), find(l, "fd00:198:18::fe"));
	assert_int_equal(dp_local_find_public(l, &other), DP_LOCAL_NONE);
	assert_int_equal(dp_local_find_public(l, &none), DP_LOCAL_NONE);
	dp_locals_destroy(l);
}

// The largest pool: 256 entries, one of which fills the table.
static void test_256_entries(void **state)
{
	static struct conf conf;
	char address[32], public[32];

	memset(&conf, 0, sizeof(conf));
	for (unsigned int i = 0; i < 255; i++) {
		snprintf(address, sizeof(address), "10.%u.0.1", i);
		snprintf(public, sizeof(public), "203.0.%u.1", i);
		add_relay(&conf, address, i % 2 ? public : address, 32);
	}
	add_relay(&conf, "fd00:198:18::", "2001:db8:0:7::", 117); // 2048
	struct dp_locals *l = dp_locals_create(&conf, SOCKET_ID_ANY);
	assert_non_null(l);
	assert_int_equal(dp_local_count(l), 255 + 2048);
	for (unsigned int i = 0; i < 255; i++) {
		snprintf(address, sizeof(address), "10.%u.0.1", i);
		snprintf(public, sizeof(public), i % 2 ? "203.0.%u.1" : "10.%u.0.1", i);
		uint16_t local = find(l, address);
		struct tp_ip out = ip(public);
		assert_int_not_equal(local, DP_LOCAL_NONE);
		assert_true(tp_ip_equal(&dp_local_at(l, local)->public_address, &out));
		assert_int_equal(dp_local_find_public(l, &out), local);
	}
	struct tp_ip last = ip("2001:db8:0:7::7ff");
	assert_int_equal(dp_local_find_public(l, &last), find(l, "fd00:198:18::7ff"));
	assert_int_not_equal(find(l, "fd00:198:18::7ff"), DP_LOCAL_NONE);
	assert_int_equal(find(l, "fd00:198:18::800"), DP_LOCAL_NONE);
	dp_locals_destroy(l);
}

static void test_listeners_for_datagrams(void **state)
{
	struct dp_locals *l = example();
	uint16_t local;

	assert_int_equal(dp_listener_count(l), 4);
	uint16_t listener = dp_listener_find(l, find(l, "198.18.0.2"), rte_cpu_to_be_16(3478));
	assert_int_equal(listener, 1);
	assert_true(dp_listener_serves(l, listener, CONF_TRANSPORT_UDP));
	assert_false(dp_listener_serves(l, listener, CONF_TRANSPORT_DTLS));
	const struct tp_addr *address = dp_listener_at(l, listener, &local);
	assert_int_equal(address->port, 3478);
	assert_int_equal(local, find(l, "198.18.0.2"));
	listener = dp_listener_find(l, local, rte_cpu_to_be_16(5349));
	assert_int_equal(listener, 0);
	assert_false(dp_listener_serves(l, listener, CONF_TRANSPORT_UDP));
	assert_true(dp_listener_serves(l, listener, CONF_TRANSPORT_DTLS));
	assert_int_equal(dp_listener_find(l, local, rte_cpu_to_be_16(443)), DP_LISTENER_NONE);
	assert_int_equal(dp_listener_find(l, find(l, "fd00:198:18::2"), rte_cpu_to_be_16(3478)), 3);
	assert_int_equal(dp_listener_find(l, find(l, "198.18.7.9"), rte_cpu_to_be_16(3478)),
		DP_LISTENER_NONE);
	dp_locals_destroy(l);
}

static uint32_t somewhere(uint32_t i)
{
	return 0x0a000000 + i * 2654435761U % 0x01000000;
}

// What the lane finds inline is what is found: of many addresses and listeners some are not in the
// first place that is looked at.
static void test_near_is_what_is_found(void **state)
{
	static struct conf conf;
	uint32_t elsewhere[2] = {0};

	memset(&conf, 0, sizeof(conf));
	for (uint32_t i = 0; i < 250; i++)
		conf.relay.addresses[conf.relay.n_addresses++] =
			(struct conf_relay){.address = tp_ip4(somewhere(i)),
				.public_address = tp_ip4(somewhere(i)),
				.prefix_bits = 32};
	for (uint32_t i = 0; i < TP_MAX_LISTENERS; i++)
		conf.listeners[conf.n_listeners++] =
			(struct conf_listener){.address = tp_ip4(somewhere(249 + i % 3)),
				.port = (uint16_t)(3000 + i * 7),
				.transports = CONF_TRANSPORT_UDP};
	struct dp_locals *l = dp_locals_create(&conf, SOCKET_ID_ANY);
	assert_non_null(l);
	for (uint32_t i = 0; i < 1000; i++) {
		struct tp_ip address = tp_ip4(somewhere(i));
		uint32_t word, relay;
		memcpy(&word, address.bytes, sizeof(word));
		uint16_t local = dp_local_find(l, TP_FAMILY_IPV4, address.bytes);
		assert_int_equal(dp_local_near(l, word, &relay), local);
		assert_int_equal(local == DP_LOCAL_NONE, i > 251);
		if (local == DP_LOCAL_NONE)
			continue;
		assert_int_equal(relay, i < 250);
		elsewhere[0] +=
			l->by_address.slots[dp_local_spread(word) & l->by_address.mask].tag != word;
		for (uint32_t port = 2990; port < 3500; port++) {
			rte_be16_t in_packet = rte_cpu_to_be_16((uint16_t)port);
			uint16_t listener = dp_listener_find(l, local, in_packet);
			assert_int_equal(dp_listener_near(l, local, in_packet), listener);
			uint32_t at = dp_local_spread((uint32_t)local << 16 | in_packet) %
				      DP_LISTENER_SLOTS;
			elsewhere[1] += listener != l->listener_slots[at].listener;
		}
	}
	assert_int_not_equal(elsewhere[0], 0);
	assert_int_not_equal(elsewhere[1], 0);
	dp_locals_destroy(l);
}

static void test_relay_range(void **state)
{
	struct dp_locals *l = example();

	assert_false(dp_local_relay_port(l, rte_cpu_to_be_16(49151)));
	assert_true(dp_local_relay_port(l, rte_cpu_to_be_16(49152)));
	assert_true(dp_local_relay_port(l, rte_cpu_to_be_16(50000)));
	assert_false(dp_local_relay_port(l, rte_cpu_to_be_16(50001)));
	dp_locals_destroy(l);
}

static void test_source_sum(void **state)
{
	struct dp_locals *l = example();
	const struct dp_local *local = dp_local_at(l, find(l, "198.18.0.2"));

	// 0xc612 + 0x0002, as this machine loads the words.
	assert_int_equal(local->source_sum, rte_cpu_to_be_16(0xc614));
	local = dp_local_at(l, find(l, "fd00:198:18::ff"));
	assert_int_equal(local->source_sum, rte_cpu_to_be_16(0xfd00 + 0x198 + 0x18 + 0xff));
	dp_locals_destroy(l);
}

static void test_discovery(void **state)
{
	static struct conf conf;
	struct conf_discovery *d = &conf.nat_discovery.families[0];

	memset(&conf, 0, sizeof(conf));
	add_listener(&conf, "198.18.0.9", 3478, CONF_TRANSPORT_TLS);
	add_listener(&conf, "10.0.0.5", 3478, CONF_TRANSPORT_UDP);
	add_listener(&conf, "10.0.0.6", 3478, CONF_TRANSPORT_UDP);
	add_listener(&conf, "10.0.0.5", 4000, CONF_TRANSPORT_UDP);
	*d = (struct conf_discovery){.address = {ip("10.0.0.5"), ip("10.0.0.6")},
		.public_address = {ip("203.0.113.5"), ip("203.0.113.6")},
		.port = {3478, 3479}};
	struct dp_locals *l = dp_locals_create(&conf, SOCKET_ID_ANY);
	assert_non_null(l);
	const struct dp_discovery *at = dp_listener_discovery(l, 0);
	assert_true(tp_ip_equal(&at->origin.ip, &d->public_address[0]));
	assert_int_equal(at->origin.port, 3478);
	assert_true(tp_ip_equal(&at->other.ip, &d->public_address[1]));
	assert_int_equal(at->other.port, 3479);
	at = dp_listener_discovery(l, 1);
	assert_true(tp_ip_equal(&at->origin.ip, &d->public_address[1]));
	assert_true(tp_ip_equal(&at->other.ip, &d->public_address[0]));
	assert_int_equal(dp_listener_discovery(l, 2)->other.ip.family, TP_FAMILY_NONE);
	dp_locals_destroy(l);
}

static void test_too_many_addresses(void **state)
{
	static struct conf conf;

	memset(&conf, 0, sizeof(conf));
	add_relay(&conf, "198.18.0.0", "198.18.0.0", 20);
	struct dp_locals *l = dp_locals_create(&conf, SOCKET_ID_ANY);
	assert_non_null(l);
	for (uint32_t i = 0; i < 4096; i++) {
		uint8_t address[4] = {198, 18, (uint8_t)(i >> 8), (uint8_t)i};
		assert_int_equal(dp_local_find(l, TP_FAMILY_IPV4, address), i);
	}
	dp_locals_destroy(l);
	add_relay(&conf, "198.18.99.1", "198.18.99.1", 32);
	assert_null(dp_locals_create(&conf, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, E2BIG);
	conf.relay.n_addresses = 0;
	add_relay(&conf, "fd00::", "fd00::", 64);
	assert_null(dp_locals_create(&conf, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_of_the_config_are_found),
		cmocka_unit_test(test_public_form),
		cmocka_unit_test(test_256_entries),
		cmocka_unit_test(test_listeners_for_datagrams),
		cmocka_unit_test(test_near_is_what_is_found),
		cmocka_unit_test(test_relay_range),
		cmocka_unit_test(test_source_sum),
		cmocka_unit_test(test_discovery),
		cmocka_unit_test(test_too_many_addresses),
	};

	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
