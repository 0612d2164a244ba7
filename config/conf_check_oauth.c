// SPDX-License-Identifier: BSD-3-Clause
// Keys of third-party authorization (RFC 7635): kids differ, keys have the length of their
// algorithm. A key is never printed.
#include <string.h>

#include "common/base/base64.h"
#include "config/conf_check.h"

#define KEY_MOST_BYTES 96 // of 128 characters

static void check_kid(const struct conf *conf, size_t i, struct conf_report *report)
{
	const struct conf_oauth_key *keys = conf->auth.oauth.keys;
	char path[CONF_PATH_BYTES];

	for (size_t j = 0; j < i && keys[i].kid; j++) {
		if (keys[j].kid && strcmp(keys[i].kid, keys[j].kid) == 0)
			conf_problem(report, conf_path(path, "auth.oauth.keys[%zu].kid", i),
				"\"%s\" is the kid of auth.oauth.keys[%zu] too", keys[i].kid, j);
	}
}

static void check_key(const struct conf *conf, size_t i, struct conf_report *report)
{
	const struct conf_oauth_key *k = &conf->auth.oauth.keys[i];
	bool is_256 = k->algorithm == CONF_OAUTH_A256GCM;
	size_t needs = is_256 ? 32 : 16, n;
	uint8_t bytes[KEY_MOST_BYTES];
	char path[CONF_PATH_BYTES];

	if (!k->key || k->algorithm == 0)
		return;
	conf_path(path, "auth.oauth.keys[%zu].key", i);
	if (!tp_base64_read(k->key, strlen(k->key), bytes, sizeof(bytes), &n))
		conf_problem(report, path, "is not base64");
	else if (n != needs)
		conf_problem(report, path, "has %zu bytes; %s takes %zu", n,
			is_256 ? "A256GCM" : "A128GCM", needs);
	explicit_bzero(bytes, sizeof(bytes));
}

void conf_check_oauth(const struct conf *conf, struct conf_report *report)
{
	const struct conf_oauth_key *keys = conf->auth.oauth.keys;
	char path[CONF_PATH_BYTES];

	for (size_t i = 0; i < conf->auth.oauth.n_keys; i++) {
		check_kid(conf, i, report);
		check_key(conf, i, report);
		if (keys[i].lifetime_s != 0 && keys[i].timestamp == 0)
			conf_problem(report, conf_path(path, "auth.oauth.keys[%zu].lifetime", i),
				"needs \"timestamp\", from when it counts");
	}
}
