// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/users.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "control/auth/rest.h"

struct known_user {
	char *name;
	size_t length;
	uint16_t realm;
	struct ctl_key md5, sha256; // of length 0: not known
};

struct hashed_user {
	uint8_t hash[CTL_USERHASH_BYTES]; // over the realm too
	const struct known_user *user;
};

struct config_users {
	struct ctl_user_store store; // first: the interface's handle
	struct ctl_crypto *crypto;
	char **realms;
	size_t n_realms;
	struct known_user *users;   // sorted by realm and name
	struct hashed_user *hashes; // the same, sorted by hash
	size_t n_users;
	char *secrets[CTL_USER_KEYS / CTL_REST_KEYS];
	size_t n_secrets;
	struct ctl_key nobody; // fits no password; its length is set for each use
};

static int compare(uint16_t realm, const void *name, size_t length, const struct known_user *to)
{
	if (realm != to->realm)
		return realm < to->realm ? -1 : 1;
	int order = memcmp(name, to->name, length < to->length ? length : to->length);
	return order ? order : (length > to->length) - (length < to->length);
}

static int by_name(const void *a, const void *b)
{
	const struct known_user *x = a;
	return compare(x->realm, x->name, x->length, b);
}

static int by_hash(const void *a, const void *b)
{
	const struct hashed_user *x = a, *y = b;
	return memcmp(x->hash, y->hash, sizeof(x->hash));
}

static const struct known_user *find_hash(
	const struct config_users *u, uint16_t realm, const uint8_t *hash)
{
	struct hashed_user wanted;
	memcpy(wanted.hash, hash, sizeof(wanted.hash));
	const struct hashed_user *h =
		bsearch(&wanted, u->hashes, u->n_users, sizeof(*u->hashes), by_hash);
	return h && h->user->realm == realm ? h->user : NULL;
}

static const struct known_user *find(
	const struct config_users *u, uint16_t realm, const uint8_t *name, size_t length)
{
	size_t low = 0, high = u->n_users;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct known_user *k = &u->users[middle];
		int order = compare(realm, name, length, k);
		if (order == 0)
			return k;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

// ---- Answers.

// A key that fits nobody, and costs as much to try as one that fits.
static void answer_nobody(const struct config_users *u, const struct ctl_user_query *q,
	enum ctl_auth_failure why, struct ctl_user_answer *a)
{
	a->result = -ENOENT;
	a->why = why;
	a->n_keys = 1;
	a->key[0] = u->nobody;
	a->key[0].length = q->algorithm == CTL_PASSWORD_SHA256 ? 32 : 16;
}

static void answer_known(const struct config_users *u, const struct known_user *k,
	const struct ctl_user_query *q, struct ctl_user_answer *a)
{
	const struct ctl_key *key = q->algorithm == CTL_PASSWORD_SHA256 ? &k->sha256 : &k->md5;
	if (key->length == 0) {
		answer_nobody(u, q, CTL_AUTH_algorithm, a);
		return;
	}
	a->user = (const uint8_t *)k->name;
	a->user_length = k->length;
	a->n_keys = 1;
	a->key[0] = *key;
}

// Whether it is past its time makes no difference to the work.
static void answer_rest(struct config_users *u, const struct ctl_user_query *q, uint64_t until_s,
	struct ctl_user_answer *a)
{
	const uint8_t *sent = q->sent ? q->sent : q->user;
	size_t length = q->sent ? q->sent_length : q->user_length;
	a->expired = until_s < q->wall_ns / TP_NS_PER_S;
	for (size_t i = 0; i < u->n_secrets && a->result == 0; i++) {
		a->result = ctl_rest_keys(u->crypto, u->secrets[i], q->algorithm, sent, length,
			u->realms[q->realm], &a->key[a->n_keys]);
		a->n_keys += CTL_REST_KEYS;
	}
}

static void lookup(struct ctl_user_store *store, const struct ctl_user_query *q,
	ctl_user_answer_fn answer, void *context)
{
	struct config_users *u = (struct config_users *)store;
	struct ctl_user_answer a = {.user = q->user, .user_length = q->user_length};
	uint64_t until_s;
	const struct known_user *k = q->userhash ? find_hash(u, q->realm, q->userhash)
						 : find(u, q->realm, q->user, q->user_length);
	if (k)
		answer_known(u, k, q, &a);
	else if (!q->userhash && u->n_secrets > 0 && q->realm < u->n_realms &&
		 ctl_rest_timestamp(q->user, q->user_length, &until_s))
		answer_rest(u, q, until_s, &a);
	else
		answer_nobody(u, q, CTL_AUTH_unknown_user, &a);
	answer(context, &a);
	OPENSSL_cleanse(&a, sizeof(a));
}

static void destroy(struct ctl_user_store *store)
{
	struct config_users *u = (struct config_users *)store;
	for (size_t i = 0; i < u->n_users; i++) {
		ctl_key_cleanse(&u->users[i].md5);
		ctl_key_cleanse(&u->users[i].sha256);
		free(u->users[i].name);
	}
	free(u->users);
	free(u->hashes);
	for (size_t i = 0; i < u->n_secrets; i++) {
		OPENSSL_cleanse(u->secrets[i], strlen(u->secrets[i]));
		free(u->secrets[i]);
	}
	for (size_t i = 0; i < u->n_realms; i++)
		free(u->realms[i]);
	free(u->realms);
	ctl_crypto_destroy(u->crypto);
	free(u);
}

// ---- Creation.

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int read_key(const char *hex, uint32_t length, struct ctl_key *out)
{
	if (strlen(hex) != 2 * length)
		return -EINVAL;
	for (uint32_t i = 0; i < length; i++) {
		int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		out->bytes[i] = (uint8_t)(high << 4 | low);
	}
	out->length = length;
	return 0;
}

static int make_keys(
	struct config_users *u, const struct ctl_user_entry *entry, struct known_user *k)
{
	const char *realm = u->realms[k->realm], *password = entry->password;
	int rc;
	if (!password) {
		rc = entry->key ? read_key(entry->key, 16, &k->md5) : -EINVAL;
		return rc || !entry->key_sha256 ? rc : read_key(entry->key_sha256, 32, &k->sha256);
	}
	rc = ctl_crypto_password_key(u->crypto, CTL_PASSWORD_MD5, k->name, k->length, realm,
		password, strlen(password), &k->md5);
	if (!rc)
		rc = ctl_crypto_password_key(u->crypto, CTL_PASSWORD_SHA256, k->name, k->length,
			realm, password, strlen(password), &k->sha256);
	return rc;
}

static int add_user(struct config_users *u, const struct ctl_user_entry *entry)
{
	struct known_user *k = &u->users[u->n_users];
	k->length = strlen(entry->name);
	k->realm = entry->realm;
	if (k->length == 0 || k->realm >= u->n_realms)
		return -EINVAL;
	k->name = strdup(entry->name);
	if (!k->name)
		return -ENOMEM;
	u->n_users++;
	return make_keys(u, entry, k);
}

// The table for USERHASH, over the users in their final places.
static int hash_users(struct config_users *u)
{
	for (size_t i = 0; i < u->n_users; i++) {
		const struct known_user *k = &u->users[i];
		u->hashes[i].user = k;
		int rc = ctl_crypto_userhash(
			u->crypto, k->name, k->length, u->realms[k->realm], u->hashes[i].hash);
		if (rc)
			return rc;
	}
	qsort(u->hashes, u->n_users, sizeof(*u->hashes), by_hash);
	return 0;
}

static int fill(struct config_users *u, const struct ctl_config_users_options *o)
{
	u->realms = calloc(o->n_realms + 1, sizeof(*u->realms));
	u->users = calloc(o->n_users + 1, sizeof(*u->users));
	u->hashes = calloc(o->n_users + 1, sizeof(*u->hashes));
	if (!u->realms || !u->users || !u->hashes)
		return -ENOMEM;
	for (size_t i = 0; i < o->n_realms; i++) {
		u->realms[i] = strdup(o->realms[i]);
		if (!u->realms[i])
			return -ENOMEM;
		u->n_realms++;
	}
	if (RAND_bytes(u->nobody.bytes, sizeof(u->nobody.bytes)) != 1)
		return -EIO;
	for (size_t i = 0; i < o->n_users; i++) {
		int rc = add_user(u, &o->users[i]);
		if (rc)
			return rc;
	}
	qsort(u->users, u->n_users, sizeof(*u->users), by_name);
	int rc = hash_users(u);
	if (rc)
		return rc;
	for (size_t i = 0; i < o->n_rest_secrets; i++) {
		u->secrets[i] = strdup(o->rest_secrets[i]);
		if (!u->secrets[i])
			return -ENOMEM;
		u->n_secrets++;
	}
	return 0;
}

int ctl_config_users_create(const struct ctl_config_users_options *o, struct ctl_user_store **out)
{
	*out = NULL;
	if (o->n_rest_secrets > CTL_USER_KEYS / CTL_REST_KEYS)
		return -E2BIG;
	struct config_users *u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->store = (struct ctl_user_store){.lookup = lookup, .destroy = destroy};
	int rc = ctl_crypto_create(&u->crypto);
	if (!rc)
		rc = fill(u, o);
	if (rc) {
		destroy(&u->store);
		return rc;
	}
	*out = &u->store;
	return 0;
}
