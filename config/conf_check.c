// SPDX-License-Identifier: BSD-3-Clause
// Checks across the document. Values that were wrong by themselves are zero here and are skipped.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/abi/abi.h"
#include "config/conf_load.h"

#define PATH_BYTES          64
#define STREAM_TRANSPORTS   (CONF_TRANSPORT_TCP | CONF_TRANSPORT_TLS)
#define DATAGRAM_TRANSPORTS (CONF_TRANSPORT_UDP | CONF_TRANSPORT_DTLS)
#define SECURE_TRANSPORTS   (CONF_TRANSPORT_TLS | CONF_TRANSPORT_DTLS)

static_assert(CONF_MAX_PORTS <= TP_MAX_PORTS && CONF_MAX_CORES <= TP_MAX_WORKERS);
static_assert(CONF_MAX_LISTENERS <= TP_MAX_LISTENERS && CONF_MAX_RELAYS <= TP_MAX_RELAYS);

__attribute__((format(printf, 2, 3))) static const char *path_of(
	char out[PATH_BYTES], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(out, PATH_BYTES, format, ap);
	va_end(ap);
	return out;
}

static void check_ports(const struct conf *conf, struct conf_report *report)
{
	char path[PATH_BYTES];

	for (size_t i = 0; i < conf->n_ports; i++) {
		const struct conf_port *a = &conf->ports[i];

		for (size_t j = 0; j < i; j++) {
			const struct conf_port *b = &conf->ports[j];

			if (a->name[0] && strcmp(a->name, b->name) == 0)
				conf_problem(report, path_of(path, "ports[%zu].name", i),
					"\"%s\" is the name of ports[%zu] too", a->name, j);
			if (a->interface[0] && strcmp(a->interface, b->interface) == 0)
				conf_problem(report, path_of(path, "ports[%zu].interface", i),
					"\"%s\" is the interface of ports[%zu] too", a->interface,
					j);
		}
	}
}

static void check_cores(struct conf *conf, unsigned int cores, struct conf_report *report)
{
	char path[PATH_BYTES];

	if (conf->workers.n_cores == 0) {
		conf->workers.cores[0] = cores - 1;
		conf->workers.n_cores = 1;
	}
	for (size_t i = 0; i < conf->workers.n_cores; i++) {
		uint32_t core = conf->workers.cores[i];

		if (core >= cores)
			conf_problem(report, path_of(path, "workers.cores[%zu]", i),
				"core %u does not exist: this machine has cores 0 to %u", core,
				cores - 1);
		for (size_t j = 0; j < i; j++) {
			if (core == conf->workers.cores[j])
				conf_problem(report, path_of(path, "workers.cores[%zu]", i),
					"core %u is workers.cores[%zu] too", core, j);
		}
	}
}

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
	char path[PATH_BYTES];

	if (l->address.family == TP_FAMILY_NONE || !(l->transports & DATAGRAM_TRANSPORTS) ||
		l->port < conf->relay.port_min || l->port > conf->relay.port_max)
		return;
	for (size_t j = 0; j < conf->relay.n_addresses; j++) {
		if (relay_covers(&conf->relay.addresses[j], &l->address))
			conf_problem(report, path_of(path, "listeners[%zu].port", i),
				"%u lies in relay.port_range, and the address is of "
				"relay.addresses[%zu]",
				l->port, j);
	}
}

static void check_listeners(const struct conf *conf, struct conf_report *report)
{
	char path[PATH_BYTES], address[TP_ADDR_STRLEN];

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		const struct tp_addr at = {.ip = l->address, .port = l->port};

		for (size_t j = 0; j < i; j++) {
			const char *protocol = listeners_share(l, &conf->listeners[j]);

			if (protocol)
				conf_problem(report, path_of(path, "listeners[%zu]", i),
					"overlaps listeners[%zu]: both take %s %s", j, protocol,
					tp_addr_format(&at, address));
		}
		if ((l->transports & SECURE_TRANSPORTS) && !conf->tls.certificate)
			conf_problem(report, path_of(path, "listeners[%zu].transports", i),
				"tls and dtls need the section \"tls\" with certificate and key");
		check_listener_in_range(conf, i, report);
	}
}

static void check_relay_public(struct conf_relay *relay, size_t i, struct conf_report *report)
{
	char path[PATH_BYTES];
	bool whole = relay->prefix_bits != 0;

	if (!whole)
		relay->prefix_bits = (uint8_t)(tp_ip_length(&relay->address) * 8);
	if (relay->public_address.family == TP_FAMILY_NONE) {
		relay->public_address = relay->address;
		return;
	}
	path_of(path, "relay.addresses[%zu].public", i);
	if (whole)
		conf_problem(report, path, "stands only beside \"address\", not beside \"prefix\"");
	else if (relay->address.family != TP_FAMILY_NONE &&
		 relay->address.family != relay->public_address.family)
		conf_problem(report, path, "is IPv%u, but the address is IPv%u",
			relay->public_address.family, relay->address.family);
}

static void check_relay_pair(
	const struct conf *conf, size_t i, size_t j, struct conf_report *report)
{
	const struct conf_relay *a = &conf->relay.addresses[i], *b = &conf->relay.addresses[j];
	char path[PATH_BYTES], text[TP_ADDR_STRLEN];

	if (a->address.family == TP_FAMILY_NONE || b->address.family == TP_FAMILY_NONE)
		return;
	path_of(path, "relay.addresses[%zu]", i);
	if (relay_covers(b, &a->address) || relay_covers(a, &b->address))
		conf_problem(report, path, "%s/%u overlaps relay.addresses[%zu]",
			tp_ip_format(&a->address, text), a->prefix_bits, j);
	else if (relay_covers(b, &a->public_address) || relay_covers(a, &b->public_address) ||
		 tp_ip_equal(&a->public_address, &b->public_address))
		conf_problem(
			report, path, "its public address is one of relay.addresses[%zu] too", j);
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

static void check_relays(struct conf *conf, struct conf_report *report)
{
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		check_relay_public(&conf->relay.addresses[i], i, report);
		for (size_t j = 0; j < i; j++)
			check_relay_pair(conf, i, j, report);
	}
	check_address_count(conf, report);
}

static void check_metrics(const struct conf *conf, struct conf_report *report)
{
	const struct tp_ip *ip = &conf->metrics.address;

	for (size_t i = 0; i < conf->n_listeners && ip->family != TP_FAMILY_NONE; i++) {
		const struct conf_listener *l = &conf->listeners[i];

		if ((l->transports & STREAM_TRANSPORTS) && l->port == conf->metrics.port &&
			tp_ip_equal(&l->address, ip))
			conf_problem(report, "metrics", "takes the TCP port of listeners[%zu]", i);
	}
}

static int user_compare(const void *a, const void *b)
{
	const struct conf_user *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);

	return order ? order : *x < *y ? -1 : 1;
}

static void check_users(const struct conf *conf, struct conf_report *report)
{
	const struct conf_user **sorted = calloc(conf->auth.n_users + 1, sizeof(*sorted));
	char path[PATH_BYTES];
	size_t n = 0;

	if (!sorted) {
		conf_problem(report, "auth.users", "%s", strerror(ENOMEM));
		return;
	}
	for (size_t i = 0; i < conf->auth.n_users; i++) {
		if (conf->auth.users[i].name)
			sorted[n++] = &conf->auth.users[i];
	}
	qsort(sorted, n, sizeof(*sorted), user_compare);
	for (size_t i = 1; i < n; i++) {
		if (strcmp(sorted[i]->name, sorted[i - 1]->name) == 0)
			conf_problem(report,
				path_of(path, "auth.users[%zu].name",
					(size_t)(sorted[i] - conf->auth.users)),
				"\"%s\" is the name of auth.users[%zu] too", sorted[i]->name,
				(size_t)(sorted[i - 1] - conf->auth.users));
	}
	free(sorted);
}

static void check_secrets(const struct conf *conf, struct conf_report *report)
{
	char path[PATH_BYTES];

	for (size_t i = 0; i < conf->auth.n_rest_secrets; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *a = conf->auth.rest_secrets[i], *b = conf->auth.rest_secrets[j];

			if (a && b && strcmp(a, b) == 0)
				conf_problem(report, path_of(path, "auth.rest_secrets[%zu]", i),
					"is the same as auth.rest_secrets[%zu]", j);
		}
	}
}

static void check_prefixes(const char *name, const struct conf_prefix *list, size_t count,
	const char *other_name, const struct conf_prefix *other, size_t other_count,
	struct conf_report *report)
{
	char path[PATH_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct conf_prefix *p = &list[i];

		if (p->address.family == TP_FAMILY_NONE)
			continue;
		path_of(path, "%s[%zu]", name, i);
		for (size_t j = 0; j < i; j++) {
			if (p->bits == list[j].bits && tp_ip_equal(&p->address, &list[j].address))
				conf_problem(report, path, "is the same as %s[%zu]", name, j);
		}
		for (size_t j = 0; j < other_count; j++) {
			if (p->bits == other[j].bits && tp_ip_equal(&p->address, &other[j].address))
				conf_problem(report, path, "is %s[%zu] too", other_name, j);
		}
	}
}

static void check_peers(const struct conf *conf, struct conf_report *report)
{
	check_prefixes(
		"peers.allow", conf->peers.allow, conf->peers.n_allow, NULL, NULL, 0, report);
	check_prefixes("peers.deny", conf->peers.deny, conf->peers.n_deny, "peers.allow",
		conf->peers.allow, conf->peers.n_allow, report);
}

static void check_sizes(struct conf *conf, struct conf_report *report)
{
	if (conf->limits.flows == 0)
		conf->limits.flows = 4 * conf->limits.allocations;
	if (conf->lifetimes.allocation_max_s > 0 &&
		conf->lifetimes.allocation_default_s > conf->lifetimes.allocation_max_s)
		conf_problem(report, "lifetimes.allocation_default_s",
			"%u is more than lifetimes.allocation_max_s, which is %u",
			conf->lifetimes.allocation_default_s, conf->lifetimes.allocation_max_s);
}

void conf_check(struct conf *conf, unsigned int cores, struct conf_report *report)
{
	check_ports(conf, report);
	check_cores(conf, cores, report);
	check_relays(conf, report);
	check_listeners(conf, report);
	check_metrics(conf, report);
	check_users(conf, report);
	check_secrets(conf, report);
	check_peers(conf, report);
	check_sizes(conf, report);
}

static void check_readable(const char *path, const char *file, struct conf_report *report)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		conf_problem(report, path, "%s cannot be read: %s", file, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		conf_problem(report, path, "%s is not a file", file);
	if (fd >= 0)
		close(fd);
}

void conf_check_files(const struct conf *conf, struct conf_report *report)
{
	uint32_t transports = 0;

	for (size_t i = 0; i < conf->n_listeners; i++)
		transports |= conf->listeners[i].transports;
	if (!(transports & SECURE_TRANSPORTS))
		return;
	if (conf->tls.certificate)
		check_readable("tls.certificate", conf->tls.certificate, report);
	if (conf->tls.key)
		check_readable("tls.key", conf->tls.key, report);
}
