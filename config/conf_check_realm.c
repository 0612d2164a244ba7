// SPDX-License-Identifier: BSD-3-Clause
// Realms: those of the listeners, numbered. Control and dataplane number them alike.
#include <string.h>

#include "config/conf_check.h"

static size_t find_realm(const struct conf *conf, const char *name)
{
	size_t i = 0;

	while (i < conf->n_realms && strcmp(conf->realms[i], name) != 0)
		i++;
	return i;
}

static void check_user_realms(struct conf *conf, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];

	for (size_t i = 0; i < conf->auth.n_users; i++) {
		struct conf_user *u = &conf->auth.users[i];
		size_t realm = u->realm ? find_realm(conf, u->realm) : 0;

		if (realm < conf->n_realms)
			u->realm_index = (uint16_t)realm;
		else
			conf_problem(report, conf_path(path, "auth.users[%zu].realm", i),
				"no listener is of the realm \"%s\"", u->realm);
	}
}

void conf_check_realms(struct conf *conf, struct conf_report *report)
{
	if (!conf->realm)
		return; // reported already
	conf->realms[0] = conf->realm;
	conf->n_realms = 1;
	for (size_t i = 0; i < conf->n_listeners; i++) {
		struct conf_listener *l = &conf->listeners[i];
		size_t realm = l->realm ? find_realm(conf, l->realm) : 0;

		if (realm == conf->n_realms)
			conf->realms[conf->n_realms++] = l->realm;
		l->realm_index = (uint16_t)realm;
	}
	check_user_realms(conf, report);
}
