// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/users.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

struct known_user {
	char *name;
	size_t length;
	struct ctl_key md5, sha256;
};

struct hashed_user {
	uint8_t hash[CTL_USERHASH_BYTES];
	const struct known_user *user;
};

struct config_users {
	struct ctl_user_store store; // first: the interface's handle
	struct ctl_crypto *crypto;
	char *realm;
	struct known_user *users;   // sorted by name
	struct hashed_user *hashes; // the same, sorted by hash
	size_t n_users;
	char *secrets[CTL_USER_KEYS];
	size_t n_secrets;
	struct ctl_key nobody; // fits no password; its length is set for each use
};

static int compare_names(const void *a, size_t a_length, const void *b, size_t b_length)
{
	int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
	return order ? order : (a_length > b_length) - (a_length < b_length);
}

static int by_name(const void *a, const void *b)
{
	const struct known_user *x = a, *y = b;
	return compare_names(x->name, x->length, y->name, y->length);
}

static int by_hash(const void *a, const void *b)
{
	const struct hashed_user *x = a, *y = b;
	return memcmp(x->hash, y->hash, sizeof(x->hash));
}

static const struct known_user *find_hash(const struct config_users *u, const uint8_t *hash)
{
	struct hashed_user wanted;
	memcpy(wanted.hash, hash, sizeof(wanted.hash));
	const struct hashed_user *h =
		bsearch(&wanted, u->hashes, u->n_users, sizeof(*u->hashes), by_hash);
	return h ? h->user : NULL;
}

static const struct known_user *find(
	const struct config_users *u, const uint8_t *name, size_t length)
{
	size_t low = 0, high = u->n_users;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct known_user *k = &u->users[middle];
		int order = compare_names(name, length, k->name, k->length);
		if (order == 0)
			return k;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

// ---- Time-limited credentials: "timestamp[:id]" (draft-uberti-behave-turn-rest).

static bool rest_timestamp(const uint8_t *user, size_t length, uint64_t *out_s)
{
	size_t i = 0;
	*out_s = 0;
	for (; i < length && user[i] >= '0' && user[i] <= '9'; i++) {
		if (i >= 12) // beyond any clock
			return false;
		*out_s = *out_s * 10 + (uint64_t)(user[i] - '0');
	}
	return i > 0 && (i == length || user[i] == ':');
}

// The long-term key of the password that this secret makes for the user.
static int rest_key(struct config_users *u, const char *secret, const struct ctl_user_query *q,
	struct ctl_key *out)
{
	uint8_t digest[CTL_INTEGRITY_BYTES];
	unsigned char password[4 * ((CTL_INTEGRITY_BYTES + 2) / 3) + 1];
	int rc = ctl_crypto_hmac_sha1(
		u->crypto, secret, strlen(secret), q->user, q->user_length, digest);
	if (rc)
		return rc;
	int n = EVP_EncodeBlock(password, digest, sizeof(digest));
	rc = ctl_crypto_password_key(u->crypto, q->algorithm, q->user, q->user_length, u->realm,
		password, (size_t)n, out);
	OPENSSL_cleanse(digest, sizeof(digest));
	OPENSSL_cleanse(password, sizeof(password));
	return rc;
}

// A key that fits nobody, and costs as much to try as one that fits.
static struct ctl_key nobody(const struct config_users *u, enum ctl_password_algorithm algorithm)
{
	struct ctl_key key = u->nobody;
	key.length = algorithm == CTL_PASSWORD_SHA256 ? 32 : 16;
	return key;
}

static void answer_rest(struct config_users *u, const struct ctl_user_query *q, bool expired,
	struct ctl_user_answer *a)
{
	a->result = expired ? -ENOENT : 0;
	for (size_t i = 0; i < u->n_secrets; i++) {
		struct ctl_key *key = &a->key[a->n_keys++];
		int rc = rest_key(u, u->secrets[i], q, key);
		if (rc)
			a->result = rc;
		if (rc || expired)
			*key = nobody(u, q->algorithm);
	}
}

// ---- The interface.

static void lookup(struct ctl_user_store *store, const struct ctl_user_query *q,
	ctl_user_answer_fn answer, void *context)
{
	struct config_users *u = (struct config_users *)store;
	struct ctl_user_answer a = {.user = q->user, .user_length = q->user_length};
	uint64_t until_s;
	const struct known_user *k =
		q->userhash ? find_hash(u, q->userhash) : find(u, q->user, q->user_length);
	if (k) {
		a.user = (const uint8_t *)k->name;
		a.user_length = k->length;
		a.n_keys = 1;
		a.key[0] = q->algorithm == CTL_PASSWORD_SHA256 ? k->sha256 : k->md5;
	} else if (!q->userhash && u->n_secrets > 0 &&
		   rest_timestamp(q->user, q->user_length, &until_s)) {
		answer_rest(u, q, until_s < q->wall_ns / TP_NS_PER_S, &a);
	} else {
		a.result = -ENOENT;
		a.n_keys = 1;
		a.key[0] = nobody(u, q->algorithm);
	}
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
	free(u->realm);
	ctl_crypto_destroy(u->crypto);
	free(u);
}

// ---- Creation.

static int add_user(struct config_users *u, const struct ctl_user_entry *entry)
{
	struct known_user *k = &u->users[u->n_users];
	k->length = strlen(entry->name);
	if (k->length == 0)
		return -EINVAL;
	k->name = strdup(entry->name);
	if (!k->name)
		return -ENOMEM;
	u->n_users++;
	int rc = ctl_crypto_password_key(u->crypto, CTL_PASSWORD_MD5, entry->name, k->length,
		u->realm, entry->password, strlen(entry->password), &k->md5);
	if (!rc)
		rc = ctl_crypto_password_key(u->crypto, CTL_PASSWORD_SHA256, entry->name, k->length,
			u->realm, entry->password, strlen(entry->password), &k->sha256);
	return rc;
}

// The table for USERHASH, over the users in their final places.
static int hash_users(struct config_users *u)
{
	for (size_t i = 0; i < u->n_users; i++) {
		const struct known_user *k = &u->users[i];
		u->hashes[i].user = k;
		int rc = ctl_crypto_userhash(
			u->crypto, k->name, k->length, u->realm, u->hashes[i].hash);
		if (rc)
			return rc;
	}
	qsort(u->hashes, u->n_users, sizeof(*u->hashes), by_hash);
	return 0;
}

static int fill(struct config_users *u, const struct ctl_config_users_options *o)
{
	u->realm = strdup(o->realm);
	u->users = calloc(o->n_users + 1, sizeof(*u->users));
	u->hashes = calloc(o->n_users + 1, sizeof(*u->hashes));
	if (!u->realm || !u->users || !u->hashes)
		return -ENOMEM;
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
	if (o->n_rest_secrets > CTL_USER_KEYS)
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
