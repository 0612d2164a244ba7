// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/conf_netlink.h"
#include "config/conf_report.h"

struct host {
	const struct conf *conf;
	struct conf_report report;
	int sock;
	struct ifaddrs *addresses;
	struct conf_link ports[CONF_MAX_PORTS]; // interfaces of ports that exist
	size_t n_ports;
};

static void host_problem_missing(struct host *h, size_t port)
{
	char path[64], have[256] = "";

	for (const struct ifaddrs *a = h->addresses; a; a = a->ifa_next) {
		size_t n = strlen(have);

		// One AF_PACKET entry an interface.
		if (a->ifa_addr && a->ifa_addr->sa_family == AF_PACKET)
			snprintf(
				have + n, sizeof(have) - n, "%s%s", n > 0 ? ", " : "", a->ifa_name);
	}
	snprintf(path, sizeof(path), "ports[%zu].interface", port);
	conf_problem(&h->report, path, "there is no interface %s (this host has %s)",
		h->conf->ports[port].interface, have);
}

static int host_find_ports(struct host *h)
{
	for (size_t i = 0; i < h->conf->n_ports; i++) {
		const struct conf_port *port = &h->conf->ports[i];
		int rc;

		if (!port->interface[0])
			continue;
		rc = conf_netlink_link(h->sock, port->interface, 0, &h->ports[h->n_ports]);
		if (rc == -ENODEV)
			host_problem_missing(h, i);
		else if (rc)
			return rc;
		else if (port->mode == CONF_PORT_AF_XDP)
			h->n_ports++;
	}
	return 0;
}

// Whether packets to an address on this interface come in by a port.
static bool host_reaches_port(const struct host *h, uint32_t index)
{
	struct conf_link link;
	uint32_t base;

	if (conf_netlink_link(h->sock, NULL, index, &link) != 0)
		return false;
	if (link.loopback || link.dummy)
		return true;
	base = link.lower ? link.lower : index;
	for (size_t i = 0; i < h->n_ports; i++) {
		if (h->ports[i].index == base || h->ports[i].master == base)
			return true;
	}
	return false;
}

static bool ifaddr_read(const struct ifaddrs *a, struct tp_ip *out)
{
	struct sockaddr_storage storage = {0};
	struct tp_addr address;

	if (!a->ifa_addr ||
		(a->ifa_addr->sa_family != AF_INET && a->ifa_addr->sa_family != AF_INET6))
		return false;
	memcpy(&storage, a->ifa_addr,
		a->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						  : sizeof(struct sockaddr_in6));
	if (tp_addr_from_sockaddr(&storage, &address) != 0)
		return false;
	*out = address.ip;
	return true;
}

static bool ip_is_link_local(const struct tp_ip *ip)
{
	if (ip->family == TP_FAMILY_IPV4)
		return ip->bytes[0] == 169 && ip->bytes[1] == 254;
	return ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

// An address configured on an interface: also found while IPv6 still looks for duplicates of it,
// before there is a route.
static bool host_has_address(const struct host *h, const struct tp_ip *ip)
{
	struct tp_ip have;

	for (const struct ifaddrs *a = h->addresses; a; a = a->ifa_next) {
		struct conf_link link;

		if (ifaddr_read(a, &have) && tp_ip_equal(&have, ip) &&
			conf_netlink_link(h->sock, a->ifa_name, 0, &link) == 0 &&
			host_reaches_port(h, link.index))
			return true;
	}
	return false;
}

// Whether packets to the address reach a port; *route_bits is the length of the local route that
// says so, the full length for an address.
static bool host_is_local(const struct host *h, const struct tp_ip *ip, uint8_t *route_bits)
{
	struct conf_route route;

	*route_bits = (uint8_t)(tp_ip_length(ip) * 8);
	if (conf_netlink_route(h->sock, ip, &route) == 0 && route.local &&
		host_reaches_port(h, route.index)) {
		*route_bits = route.prefix_bits;
		return true;
	}
	return host_has_address(h, ip);
}

// "eth0 has 198.18.0.2, 198.18.0.3; eth1 has no IPv4 address"
// Link-local ones, which cannot be configured, are left out.
static void host_list_addresses(const struct host *h, uint8_t family, char *out, size_t capacity)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < h->n_ports && n < capacity; i++) {
		unsigned int found = 0;
		struct tp_ip have;
		char text[TP_ADDR_STRLEN];

		n += (size_t)snprintf(
			out + n, capacity - n, "%s%s has ", i > 0 ? "; " : "", h->ports[i].name);
		for (const struct ifaddrs *a = h->addresses; a && n < capacity; a = a->ifa_next) {
			if (strcmp(a->ifa_name, h->ports[i].name) == 0 && ifaddr_read(a, &have) &&
				have.family == family && !ip_is_link_local(&have))
				n += (size_t)snprintf(out + n, capacity - n, "%s%s",
					found++ > 0 ? ", " : "", tp_ip_format(&have, text));
		}
		if (found == 0 && n < capacity)
			n += (size_t)snprintf(out + n, capacity - n, "no IPv%u address", family);
	}
}

static void host_check_address(struct host *h, const char *path, const struct tp_ip *ip)
{
	char text[TP_ADDR_STRLEN], have[600];
	uint8_t bits;

	if (host_is_local(h, ip, &bits))
		return;
	host_list_addresses(h, ip->family, have, sizeof(have));
	conf_problem(&h->report, path, "%s is on no interface of a port (%s)",
		tp_ip_format(ip, text), have);
}

// The first address behind ip/bits; false when there is none.
static bool address_after(struct tp_ip *ip, uint8_t bits)
{
	for (int i = bits - 1; i >= 0; i--) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);

		ip->bytes[i / 8] ^= bit;
		if (ip->bytes[i / 8] & bit)
			return true;
	}
	return false;
}

static void host_check_prefix(struct host *h, const char *path, const struct conf_relay *relay)
{
	struct tp_ip at = relay->address, begin;
	char text[TP_ADDR_STRLEN], prefix[TP_ADDR_STRLEN];
	uint8_t bits;

	do {
		if (!host_is_local(h, &at, &bits)) {
			conf_problem(&h->report, path,
				"%s is not local; `ip route add local %s/%u dev lo` makes the "
				"whole prefix so",
				tp_ip_format(&at, text), tp_ip_format(&relay->address, prefix),
				relay->prefix_bits);
			return;
		}
		// On to the end of the route that covers it.
		begin = at;
		for (size_t bit = bits; bit < tp_ip_length(&at) * 8; bit++)
			at.bytes[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	} while (address_after(&at, bits) && memcmp(at.bytes, begin.bytes, 16) > 0 &&
		 tp_ip_in_prefix(&at, &relay->address, relay->prefix_bits));
}

static void host_check_addresses(struct host *h)
{
	const struct conf *conf = h->conf;
	char path[64];

	// Those of discovery stand on addresses checked above and below.
	for (size_t i = 0; i < conf->n_listeners - conf->nat_discovery.n_listeners; i++) {
		snprintf(path, sizeof(path), "listeners[%zu].address", i);
		host_check_address(h, path, &conf->listeners[i].address);
	}
	if (conf->nat_discovery.alternate_address.family != TP_FAMILY_NONE)
		host_check_address(h, "nat_discovery.alternate_address",
			&conf->nat_discovery.alternate_address);
	if (conf->nat_discovery.alternate_address6.family != TP_FAMILY_NONE)
		host_check_address(h, "nat_discovery.alternate_address6",
			&conf->nat_discovery.alternate_address6);
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *relay = &conf->relay.addresses[i];
		bool single = relay->prefix_bits == tp_ip_length(&relay->address) * 8;

		snprintf(path, sizeof(path), "relay.addresses[%zu].%s", i,
			single ? "address" : "prefix");
		if (single)
			host_check_address(h, path, &relay->address);
		else
			host_check_prefix(h, path, relay);
	}
}

static bool host_has_bench_port(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_ports; i++) {
		if (conf->ports[i].mode == CONF_PORT_BENCH)
			return true;
	}
	return false;
}

int conf_check_host(const struct conf *conf, FILE *errors)
{
	struct host h = {.conf = conf, .report = {.file = conf->path, .errors = errors}};
	int rc;

	h.sock = conf_netlink_open();
	rc = h.sock < 0 ? h.sock : 0;
	if (rc == 0 && getifaddrs(&h.addresses) < 0)
		rc = -errno;
	if (rc == 0)
		rc = host_find_ports(&h);
	if (rc)
		conf_problem(&h.report, "", "cannot ask the kernel for its interfaces: %s",
			strerror(-rc));
	// Without any interface every address would be wrong for the same reason.
	if (rc == 0 && h.n_ports > 0 && !host_has_bench_port(conf))
		host_check_addresses(&h);
	if (h.addresses)
		freeifaddrs(h.addresses);
	if (h.sock >= 0)
		close(h.sock);
	return rc ? rc : h.report.problems > 0 ? -EINVAL : 0;
}
