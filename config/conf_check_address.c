// SPDX-License-Identifier: BSD-3-Clause
// Checks across listeners, relay addresses and metrics: what would stand in each other's way.
#include "common/abi/abi.h"
#include "config/conf_check.h"

#define STREAM_TRANSPORTS   (CONF_TRANSPORT_TCP | CONF_TRANSPORT_TLS)
#define DATAGRAM_TRANSPORTS (CONF_TRANSPORT_UDP | CONF_TRANSPORT_DTLS)

static_assert(CONF_MAX_LISTENERS <= TP_MAX_LISTENERS && CONF_MAX_RELAYS <= TP_MAX_RELAYS);

// The protocol in which both take the same port, or NULL.
static const char *listeners_share(const struct conf_listener *a, const struct conf_listener *b)
{
	if (a->address.family == TP_FAMILY_NONE || !tp_ip_equal(&a->address, &b->address) ||
		a->port == 0 || a->port != b->port)
		return NULL;
	if ((a->transports & DATAGRAM_TRANSPORTS) && (b->transports & DATAGRAM_TRANSPORTS))
		return "UDP";
	if ((a->transports & STREAM_TRANSPORTS) && (b->transports & STREAM_TRANSPORTS))
		return "TCP";
	return NULL;
}

static bool relay_covers(const struct conf_relay *relay, const struct tp_ip *ip)
{
	return relay->address.family != TP_FAMILY_NONE &&
	       tp_ip_in_prefix(ip, &relay->address, relay->prefix_bits);
}

// A listener's port inside the relay range of the same address would never be reached.
static void check_listener_in_range(const struct conf *conf, size_t i, struct conf_report *report)
{
	const struct conf_listener *l = &conf->listeners[i];
	char path[CONF_PATH_BYTES], address[TP_ADDR_STRLEN];
	const struct tp_addr at = {.ip = l->address, .port = l->port};
	bool written = i < conf->n_listeners - conf->nat_discovery.n_listeners;

	if (l->address.family == TP_FAMILY_NONE || !(l->transports & DATAGRAM_TRANSPORTS) ||
		l->port < conf->relay.port_min || l->port > conf->relay.port_max)
		return;
	for (size_t j = 0; j < conf->relay.n_addresses; j++) {
		if (!relay_covers(&conf->relay.addresses[j], &l->address))
			continue;
		if (written)
			conf_problem(report, conf_path(path, "listeners[%zu].port", i),
				"%u lies in relay.port_range, and the address is of "
				"relay.addresses[%zu]",
				l->port, j);
		else
			conf_problem(report, "nat_discovery",
				"%s lies in relay.port_range, and the address is of "
				"relay.addresses[%zu]",
				tp_addr_format(&at, address), j);
	}
}

// The dataplane keeps every address of its own in a table of TP_MAX_LOCALS.
static void check_address_count(const struct conf *conf, struct conf_report *report)
{
	uint64_t count = 0;

	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *r = &conf->relay.addresses[i];
		size_t host_bits = tp_ip_length(&r->address) * 8 - r->prefix_bits;

		count += host_bits < 32 ? UINT64_C(1) << host_bits : UINT64_C(1) << 32;
	}
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct tp_ip *ip = &conf->listeners[i].address;
		bool seen = false;

		for (size_t j = 0; j < conf->relay.n_addresses && !seen; j++)
			seen = relay_covers(&conf->relay.addresses[j], ip);
		for (size_t j = 0; j < i && !seen; j++)
			seen = tp_ip_equal(ip, &conf->listeners[j].address);
		count += !seen;
	}
	if (count > TP_MAX_LOCALS)
		conf_problem(report, "relay.addresses",
			"all prefixes and listeners make more than %u addresses", TP_MAX_LOCALS);
}

static void check_proxied(const struct conf *conf, size_t i, struct conf_report *report)
{
	const struct conf_listener *l = &conf->listeners[i];
	char path[CONF_PATH_BYTES];

	if (!l->proxy_protocol)
		return;
	conf_path(path, "listeners[%zu].proxy_protocol", i);
	if (!(l->transports & STREAM_TRANSPORTS))
		conf_problem(report, path, "is of tcp and tls, and the listener has neither");
	if (conf->streams.n_proxy_sources == 0)
		conf_problem(report, path, "needs streams.proxy_sources: nobody may come there");
}

void conf_check_listeners(const struct conf *conf, struct conf_report *report)
{
	char path[CONF_PATH_BYTES], address[TP_ADDR_STRLEN];

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		const struct tp_addr at = {.ip = l->address, .port = l->port};

		for (size_t j = 0; j < i; j++) {
			const char *protocol = listeners_share(l, &conf->listeners[j]);

			if (protocol)
				conf_problem(report, conf_path(path, "listeners[%zu]", i),
					"overlaps listeners[%zu]: both take %s %s", j, protocol,
					tp_addr_format(&at, address));
		}
		if ((l->transports & CONF_SECURE_TRANSPORTS) && !conf->tls.certificate)
			conf_problem(report, conf_path(path, "listeners[%zu].transports", i),
				"tls and dtls need the section \"tls\" with certificate and key");
		check_proxied(conf, i, report);
		check_listener_in_range(conf, i, report);
	}
	check_address_count(conf, report);
}

// The public form of a prefix is one of the same length, named by its first address.
static void check_public_prefix(
	const struct conf_relay *relay, const char *path, struct conf_report *report)
{
	size_t bits = tp_ip_length(&relay->public_address) * 8;
	struct tp_ip first = relay->public_address, last = relay->public_address;
	char text[TP_ADDR_STRLEN];

	for (size_t bit = relay->prefix_bits; bit < bits; bit++) {
		first.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	if (!tp_ip_equal(&first, &relay->public_address))
		conf_problem(report, path,
			"must be the first address of a prefix as long as the private one, /%u: "
			"that would be %s",
			relay->prefix_bits, tp_ip_format(&first, text));
	else if (bits == 32 &&
		 (last.bytes[0] & last.bytes[1] & last.bytes[2] & last.bytes[3]) == 0xff)
		conf_problem(report, path, "%s/%u holds the broadcast address",
			tp_ip_format(&first, text), relay->prefix_bits);
}

static void check_relay_public(struct conf_relay *relay, size_t i, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	if (relay->prefix_bits == 0)
		relay->prefix_bits = (uint8_t)(tp_ip_length(&relay->address) * 8);
	if (relay->public_address.family == TP_FAMILY_NONE) {
		relay->public_address = relay->address;
		return;
	}
	conf_path(path, "relay.addresses[%zu].public", i);
	if (relay->address.family == TP_FAMILY_NONE)
		return;
	if (relay->address.family != relay->public_address.family)
		conf_problem(report, path, "is IPv%u, but the address is IPv%u",
			relay->public_address.family, relay->address.family);
	else
		check_public_prefix(relay, path, report);
}

static bool overlap(const struct tp_ip *a, uint8_t a_bits, const struct tp_ip *b, uint8_t b_bits)
{
	return tp_ip_in_prefix(a, b, b_bits) || tp_ip_in_prefix(b, a, a_bits);
}

static void check_relay_pair(
	const struct conf *conf, size_t i, size_t j, struct conf_report *report)
{
	const struct conf_relay *a = &conf->relay.addresses[i], *b = &conf->relay.addresses[j];
	char path[CONF_PATH_BYTES], text[TP_ADDR_STRLEN];
	uint8_t a_bits = a->prefix_bits, b_bits = b->prefix_bits;

	if (a->address.family == TP_FAMILY_NONE || b->address.family == TP_FAMILY_NONE)
		return;
	conf_path(path, "relay.addresses[%zu]", i);
	if (overlap(&a->address, a_bits, &b->address, b_bits))
		conf_problem(report, path, "%s/%u overlaps relay.addresses[%zu]",
			tp_ip_format(&a->address, text), a_bits, j);
	else if (overlap(&a->public_address, a_bits, &b->address, b_bits) ||
		 overlap(&a->address, a_bits, &b->public_address, b_bits) ||
		 overlap(&a->public_address, a_bits, &b->public_address, b_bits))
		conf_problem(
			report, path, "its public address is one of relay.addresses[%zu] too", j);
}

void conf_check_relays(struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		check_relay_public(&conf->relay.addresses[i], i, report);
		for (size_t j = 0; j < i; j++)
			check_relay_pair(conf, i, j, report);
	}
}

void conf_check_metrics(const struct conf *conf, struct conf_report *report)
{
	const struct tp_ip *ip = &conf->metrics.address;

	for (size_t i = 0; i < conf->n_listeners && ip->family != TP_FAMILY_NONE; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		if ((l->transports & STREAM_TRANSPORTS) && l->port == conf->metrics.port &&
			tp_ip_equal(&l->address, ip))
			conf_problem(report, "metrics", "takes the TCP port of listeners[%zu]", i);
	}
}
