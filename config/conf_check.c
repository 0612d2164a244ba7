// SPDX-License-Identifier: BSD-3-Clause
// Checks across the document. Values that were wrong by themselves are zero here and are skipped.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/abi/abi.h"
#include "common/privilege/account.h"
#include "config/conf_check.h"
#include "config/conf_load.h"

static_assert(CONF_MAX_PORTS <= TP_MAX_PORTS && CONF_MAX_CORES <= TP_MAX_WORKERS);

static void check_ports(const struct conf *conf, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	for (size_t i = 0; i < conf->n_ports; i++) {
		const struct conf_port *a = &conf->ports[i];

		for (size_t j = 0; j < i; j++) {
			const struct conf_port *b = &conf->ports[j];

			if (a->name[0] && strcmp(a->name, b->name) == 0)
				conf_problem(report, conf_path(path, "ports[%zu].name", i),
					"\"%s\" is the name of ports[%zu] too", a->name, j);
			if (a->interface[0] && strcmp(a->interface, b->interface) == 0)
				conf_problem(report, conf_path(path, "ports[%zu].interface", i),
					"\"%s\" is the interface of ports[%zu] too", a->interface,
					j);
		}
	}
}

static void check_cores(struct conf *conf, unsigned int cores, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	if (conf->workers.n_cores == 0) {
		conf->workers.cores[0] = cores - 1;
		conf->workers.n_cores = 1;
	}
	for (size_t i = 0; i < conf->workers.n_cores; i++) {
		uint32_t core = conf->workers.cores[i];

		if (core >= cores)
			conf_problem(report, conf_path(path, "workers.cores[%zu]", i),
				"core %u does not exist: this machine has cores 0 to %u", core,
				cores - 1);
		for (size_t j = 0; j < i; j++) {
			if (core == conf->workers.cores[j])
				conf_problem(report, conf_path(path, "workers.cores[%zu]", i),
					"core %u is workers.cores[%zu] too", core, j);
		}
	}
}

static void check_secrets(const struct conf *conf, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	for (size_t i = 0; i < conf->auth.n_rest_secrets; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *a = conf->auth.rest_secrets[i], *b = conf->auth.rest_secrets[j];

			if (a && b && strcmp(a, b) == 0)
				conf_problem(report, conf_path(path, "auth.rest_secrets[%zu]", i),
					"is the same as auth.rest_secrets[%zu]", j);
		}
	}
}

static void check_prefixes(const char *name, const struct conf_prefix *list, size_t count,
	const char *other_name, const struct conf_prefix *other, size_t other_count,
	struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	for (size_t i = 0; i < count; i++) {
		const struct conf_prefix *p = &list[i];

		if (p->address.family == TP_FAMILY_NONE)
			continue;
		conf_path(path, "%s[%zu]", name, i);
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

// Whether clients reach the listener there, behind a 1:1 NAT too.
static bool is_listener(
	const struct conf *conf, const struct conf_listener *l, const struct conf_alternate *a)
{
	struct tp_ip public;

	if (a->port == 0 || a->port != l->port || l->address.family == TP_FAMILY_NONE)
		return false;
	public = conf_public_form(conf, &l->address);
	return tp_ip_equal(&a->address, &l->address) || tp_ip_equal(&a->address, &public);
}

// A client that is sent to where it was gives up (RFC 8489 section 10).
static void check_alternates(const struct conf *conf, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	for (size_t i = 0; i < conf->alternate_servers.n_servers; i++) {
		const struct conf_alternate *a = &conf->alternate_servers.servers[i];

		conf_path(path, "alternate_servers.servers[%zu]", i);
		for (size_t j = 0; j < conf->n_listeners; j++)
			if (is_listener(conf, &conf->listeners[j], a))
				conf_problem(report, path, "is listeners[%zu]", j);
		for (size_t j = 0; j < i; j++)
			if (a->port && a->port == conf->alternate_servers.servers[j].port &&
				tp_ip_equal(
					&a->address, &conf->alternate_servers.servers[j].address))
				conf_problem(report, path,
					"is the same as alternate_servers.servers[%zu]", j);
	}
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
	conf_check_relays(conf, report);
	conf_check_discovery(conf, report);
	conf_check_listeners(conf, report);
	conf_check_metrics(conf, report);
	conf_check_realms(conf, report);
	conf_check_users(conf, report);
	check_secrets(conf, report);
	conf_check_oauth(conf, report);
	check_peers(conf, report);
	check_alternates(conf, report);
	check_sizes(conf, report);
}

static void check_readable(const char *path, const char *file, struct conf_report *report)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char self[TP_ACCOUNT_TEXT];
	struct stat st;

	if (fd < 0 && errno == EACCES)
		conf_problem(report, path, "%s cannot be read: %s (by %s)", file, strerror(EACCES),
			tp_account_self(self));
	else if (fd < 0 || fstat(fd, &st) < 0)
		conf_problem(report, path, "%s cannot be read: %s", file, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		conf_problem(report, path, "%s is not a file", file);
	if (fd >= 0)
		close(fd);
}

static void check_certificate(
	const char *at, const struct conf_certificate *c, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	if (c->certificate)
		check_readable(conf_path(path, "%s.certificate", at), c->certificate, report);
	if (c->key)
		check_readable(conf_path(path, "%s.key", at), c->key, report);
}

void conf_check_files(const struct conf *conf, struct conf_report *report)
{
	const struct conf_certificate first = {conf->tls.certificate, conf->tls.key};
	char path[CONF_PATH_BYTES];
	uint32_t transports = 0;

	for (size_t i = 0; i < conf->n_listeners; i++)
		transports |= conf->listeners[i].transports;
	if (!(transports & CONF_SECURE_TRANSPORTS))
		return;
	check_certificate("tls", &first, report);
	for (size_t i = 0; i < conf->tls.n_additional; i++)
		check_certificate(conf_path(path, "tls.additional[%zu]", i),
			&conf->tls.additional[i], report);
	if (conf->tls.client_ca)
		check_readable("tls.client_ca", conf->tls.client_ca, report);
}
