// SPDX-License-Identifier: BSD-3-Clause
// The configuration: what is refused is explained, what is accepted keeps the limits that the
// daemons rely on.
#include "config/conf_load.h"

#include "tests/fuzz/fuzz.h"

static void check_accepted(const struct conf *c)
{
	FUZZ_CHECK(c->realm && c->software && c->run_directory && c->path);
	FUZZ_CHECK(c->n_ports >= 1 && c->n_ports <= CONF_MAX_PORTS);
	FUZZ_CHECK(c->workers.n_cores >= 1 && c->workers.n_cores <= CONF_MAX_CORES);
	FUZZ_CHECK(c->n_listeners >= 1 && c->n_listeners <= CONF_MAX_LISTENERS);
	FUZZ_CHECK(c->relay.n_addresses >= 1 && c->relay.n_addresses <= CONF_MAX_RELAYS);
	FUZZ_CHECK(c->relay.port_min >= 1024 && c->relay.port_min <= c->relay.port_max);
	FUZZ_CHECK(c->limits.allocations > 0 && c->limits.flows > 0 && c->limits.mbufs > 0);
	for (size_t i = 0; i < c->n_ports; i++) {
		FUZZ_CHECK(strnlen(c->ports[i].name, CONF_NAME_BYTES) < CONF_NAME_BYTES);
		FUZZ_CHECK(c->ports[i].interface[0] || c->ports[i].vdev[0]);
	}
	for (size_t i = 0; i < c->n_listeners; i++) {
		FUZZ_CHECK(c->listeners[i].address.family != TP_FAMILY_NONE);
		FUZZ_CHECK(c->listeners[i].port > 0 && c->listeners[i].transports != 0);
		FUZZ_CHECK(c->listeners[i].realm_index < c->n_realms);
	}
	for (size_t i = 0; i < c->relay.n_addresses; i++) {
		const struct conf_relay *r = &c->relay.addresses[i];

		FUZZ_CHECK(r->address.family == r->public_address.family);
		FUZZ_CHECK(tp_ip_in_prefix(&r->address, &r->address, r->prefix_bits));
	}
	for (size_t i = 0; i < c->auth.n_users; i++) {
		const struct conf_user *u = &c->auth.users[i];

		FUZZ_CHECK(u->name[0] && u->realm_index < c->n_realms);
		FUZZ_CHECK(u->password ? u->password[0] && !u->key : strlen(u->key) == 32);
		FUZZ_CHECK(!u->key_sha256 || (u->key && strlen(u->key_sha256) == 64));
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	const struct conf_source source = {
		.name = "fuzz.json", .text = (const char *)data, .length = size, .cores = 16};
	char *problems;
	size_t length;
	FILE *errors = open_memstream(&problems, &length);
	struct conf *conf;
	int rc;

	FUZZ_CHECK(errors);
	rc = conf_load_text(&source, &conf, errors);
	fclose(errors);
	FUZZ_CHECK((rc == 0) == (conf != NULL) && (rc == 0) == (length == 0));
	if (conf) {
		check_accepted(conf);
		if (conf->auth.n_users > 0)
			fuzz_canary(data + size);
	}
	conf_free(conf);
	free(problems);
}
