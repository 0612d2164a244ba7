// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/prepare.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_check.h"
#include "control/auth/integrity.h"
#include "control/auth/opaque_string.h"

#define NAME_MAX_BYTES 508 // RFC 8489 section 14.3

static void problem(struct conf_report *report, const char *path, int rc, size_t capacity)
{
	if (rc == -E2BIG)
		conf_problem(report, path, "is longer than %zu bytes when prepared (RFC 8265)",
			capacity);
	else if (rc == -EINVAL)
		conf_problem(report, path,
			"has a character that RFC 8265 does not allow there (control, invisible, "
			"unassigned)");
	else
		conf_problem(report, path, "%s", strerror(-rc));
}

// ---- Realms.

static void check_realm(struct conf_report *report, const char *path, const char *realm)
{
	uint8_t prepared[CTL_OPAQUE_MAX_BYTES];
	size_t length = strlen(realm);
	int n = ctl_opaque_prepare(realm, length, prepared, sizeof(prepared));
	if (n < 0)
		problem(report, path, n, sizeof(prepared));
	else if ((size_t)n != length || memcmp(prepared, realm, length) != 0)
		conf_problem(report, path,
			"must be written in its prepared form (RFC 8265): normalised (NFC), with "
			"plain spaces");
}

static void check_realms(const struct conf *conf, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];
	check_realm(report, "realm", conf->realm);
	for (size_t i = 0; i < conf->n_listeners; i++)
		if (conf->listeners[i].realm)
			check_realm(report, conf_path(path, "listeners[%zu].realm", i),
				conf->listeners[i].realm);
}

// ---- Users.

// Puts a prepared copy into the place of *text. 0, 1 when it changed, -errno.
static int prepare(char **text, size_t capacity)
{
	uint8_t prepared[CTL_OPAQUE_MAX_BYTES];
	size_t length = strlen(*text);
	int n = ctl_opaque_prepare(*text, length, prepared, capacity);
	if (n < 0)
		return n;
	if ((size_t)n == length && memcmp(prepared, *text, length) == 0) {
		OPENSSL_cleanse(prepared, sizeof(prepared));
		return 0;
	}
	char *copy = strndup((char *)prepared, (size_t)n);
	OPENSSL_cleanse(prepared, sizeof(prepared));
	if (!copy)
		return -ENOMEM;
	explicit_bzero(*text, length);
	free(*text);
	*text = copy;
	return 1;
}

static char *hex_of(const struct ctl_key *key)
{
	static const char digit[] = "0123456789abcdef";
	char *text = malloc(2 * key->length + 1);
	for (uint32_t i = 0; text && i < key->length; i++) {
		text[2 * i] = digit[key->bytes[i] >> 4];
		text[2 * i + 1] = digit[key->bytes[i] & 15];
	}
	if (text)
		text[2 * key->length] = '\0';
	return text;
}

static int make_key(struct ctl_crypto *crypto, enum ctl_password_algorithm algorithm,
	const struct conf *conf, const struct conf_user *u, char **out)
{
	struct ctl_key key;
	int rc = ctl_crypto_password_key(crypto, algorithm, u->name, strlen(u->name),
		conf->realms[u->realm_index], u->password, strlen(u->password), &key);
	if (!rc) {
		*out = hex_of(&key);
		rc = *out ? 0 : -ENOMEM;
	}
	ctl_key_cleanse(&key);
	return rc;
}

static int replace_password(struct ctl_crypto *crypto, const struct conf *conf, struct conf_user *u)
{
	int rc = make_key(crypto, CTL_PASSWORD_MD5, conf, u, &u->key);
	if (!rc)
		rc = make_key(crypto, CTL_PASSWORD_SHA256, conf, u, &u->key_sha256);
	if (rc)
		return rc;
	explicit_bzero(u->password, strlen(u->password));
	free(u->password);
	u->password = NULL;
	return 0;
}

static int prepare_users(struct ctl_crypto *crypto, struct conf *conf, struct conf_report *report)
{
	char path[CONF_PATH_BYTES];
	bool changed = false;
	for (size_t i = 0; i < conf->auth.n_users; i++) {
		struct conf_user *u = &conf->auth.users[i];
		unsigned int before = report->problems;
		int rc = prepare(&u->name, NAME_MAX_BYTES);
		changed |= rc > 0;
		if (rc < 0)
			problem(report, conf_path(path, "auth.users[%zu].name", i), rc,
				NAME_MAX_BYTES);
		if (!u->password)
			continue;
		rc = prepare(&u->password, CTL_OPAQUE_MAX_BYTES);
		if (rc < 0)
			problem(report, conf_path(path, "auth.users[%zu].password", i), rc,
				CTL_OPAQUE_MAX_BYTES);
		rc = report->problems == before ? replace_password(crypto, conf, u) : 0;
		if (rc) {
			conf_problem(report, "auth.users", "%s", strerror(-rc));
			return rc;
		}
	}
	if (changed) // two that were written in different ways may be one now
		conf_check_users(conf, report);
	return 0;
}

int ctl_auth_prepare(struct conf *conf, FILE *errors)
{
	struct conf_report report = {.file = conf->path, .errors = errors};
	struct ctl_crypto *crypto;
	int rc = ctl_crypto_create(&crypto);
	if (rc) {
		conf_problem(&report, "auth", "%s", strerror(-rc));
		return rc;
	}
	check_realms(conf, &report);
	rc = prepare_users(crypto, conf, &report);
	ctl_crypto_destroy(crypto);
	if (rc)
		return rc;
	return report.problems > 0 ? -EINVAL : 0;
}
