// SPDX-License-Identifier: BSD-3-Clause
// NAT behaviour discovery (RFC 5780): from the section "nat_discovery" to the four listeners that
// it takes in each family, so that dataplane and control serve the same ones.
#include <errno.h>
#include <string.h>

#include "config/conf_check.h"

#define DATAGRAM_TRANSPORTS (CONF_TRANSPORT_UDP | CONF_TRANSPORT_DTLS)

static size_t find_primary(const struct conf *conf, uint8_t family)
{
	size_t i = 0;

	while (i < conf->n_listeners &&
		(conf->listeners[i].address.family != family ||
			!(conf->listeners[i].transports & CONF_TRANSPORT_UDP)))
		i++;
	return i;
}

// A UDP listener of the primary one's realm, unless the document has it.
static void add_listener(struct conf *conf, const struct tp_ip *ip, uint16_t port,
	const char *realm, struct conf_report *report)
{
	const struct tp_addr at = {.ip = *ip, .port = port};
	char address[TP_ADDR_STRLEN];

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		if (!(l->transports & DATAGRAM_TRANSPORTS) || l->port != port ||
			!tp_ip_equal(&l->address, ip))
			continue;
		if (!(l->transports & CONF_TRANSPORT_UDP))
			conf_problem(report, "nat_discovery",
				"needs UDP %s, which listeners[%zu] takes for dtls",
				tp_addr_format(&at, address), i);
		return;
	}
	if (conf->n_listeners == CONF_MAX_LISTENERS) {
		conf_problem(report, "nat_discovery",
			"%s would be one listener more than the %u there can be",
			tp_addr_format(&at, address), CONF_MAX_LISTENERS);
		return;
	}
	conf->listeners[conf->n_listeners++] = (struct conf_listener){.address = *ip,
		.port = port,
		.transports = CONF_TRANSPORT_UDP,
		.realm = realm ? strdup(realm) : NULL};
	if (realm && !conf->listeners[conf->n_listeners - 1].realm)
		conf_problem(report, "nat_discovery", "%s", strerror(ENOMEM));
	conf->nat_discovery.n_listeners++;
}

struct tp_ip conf_public_form(const struct conf *conf, const struct tp_ip *ip)
{
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *r = &conf->relay.addresses[i];

		struct tp_ip public = r->public_address;

		if (!tp_ip_in_prefix(ip, &r->address, r->prefix_bits))
			continue;
		for (size_t bit = r->prefix_bits; bit < tp_ip_length(ip) * 8; bit++)
		public.bytes[bit / 8] |= ip->bytes[bit / 8] & (uint8_t)(0x80 >> bit % 8);
		return public;
	}
	return *ip;
}

static void add_family(struct conf *conf, const char *path, uint8_t family,
	const struct tp_ip *alternate, struct conf_discovery *out, struct conf_report *report)
{
	size_t i = find_primary(conf, family);
	const struct conf_listener *primary = &conf->listeners[i];
	uint16_t port = conf->nat_discovery.alternate_port;

	if (alternate->family == TP_FAMILY_NONE || port == 0)
		return;
	if (alternate->family != family) {
		conf_problem(report, path, "is IPv%u, must be IPv%u", alternate->family, family);
		return;
	}
	if (i == conf->n_listeners) {
		conf_problem(report, path, "there is no IPv%u listener with udp beside it", family);
		return;
	}
	if (tp_ip_equal(alternate, &primary->address)) {
		conf_problem(report, path, "must differ from the address of listeners[%zu]", i);
		return;
	}
	if (port == primary->port) {
		conf_problem(report, "nat_discovery.alternate_port",
			"must differ from the port of listeners[%zu]", i);
		return;
	}
	*out = (struct conf_discovery){
		.address = {primary->address, *alternate}, .port = {primary->port, port}};
	for (size_t a = 0; a < 2; a++) {
		out->public_address[a] = conf_public_form(conf, &out->address[a]);
		for (size_t p = 0; p < 2; p++)
			add_listener(conf, &out->address[a], out->port[p], primary->realm, report);
	}
}

void conf_check_discovery(struct conf *conf, struct conf_report *report)
{
	add_family(conf, "nat_discovery.alternate_address", TP_FAMILY_IPV4,
		&conf->nat_discovery.alternate_address, &conf->nat_discovery.families[0], report);
	add_family(conf, "nat_discovery.alternate_address6", TP_FAMILY_IPV6,
		&conf->nat_discovery.alternate_address6, &conf->nat_discovery.families[1], report);
}
