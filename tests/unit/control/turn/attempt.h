// SPDX-License-Identifier: BSD-3-Clause
// A request with any credentials, right or wrong. Keys and hashes come from libcrypto here, not
// from what is tested.
#pragma once

#include "tests/unit/control/turn/client.h"
// After cmocka's headers.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define OTHER_REALM "b.example.org"

struct attempt {
	uint16_t method; // 0: Allocate
	const char *name;
	size_t name_length;   // 0: up to its NUL
	const char *key_name; // NULL: the name
	const char *password;
	const char *realm, *key_realm; // NULL: RELAY_REALM; the realm
	bool sha256;                   // PASSWORD-ALGORITHM
	bool hashed;                   // USERHASH
};

static inline void attempt_digest(const EVP_MD *md, const char *format, const char *a,
	const char *b, const char *c, uint8_t out[32])
{
	char text[2000];
	int n = snprintf(text, sizeof(text), format, a, b, c);
	assert_int_equal(EVP_Digest(text, (size_t)n, out, NULL, md, NULL), 1);
}

static inline void attempt_sign(struct relay *r, bool sha256, const uint8_t *key)
{
	uint8_t copy[CTL_REQUEST_MAX_BYTES + 100], digest[32];
	uint16_t size = sha256 ? 32 : 20;
	memcpy(copy, r->bytes, r->writer.length);
	tp_wr16(copy + 2, (uint16_t)(r->writer.length + 4 + size - 20));
	assert_non_null(HMAC(sha256 ? EVP_sha256() : EVP_sha1(), key, sha256 ? 32 : 16, copy,
		r->writer.length, digest, NULL));
	stun_write_attr(&r->writer,
		sha256 ? STUN_ATTR_MESSAGE_INTEGRITY_SHA256 : STUN_ATTR_MESSAGE_INTEGRITY, digest,
		size);
}

// The code of the one answer.
static inline int attempt(struct relay *r, const struct attempt *a)
{
	static const uint8_t both[8] = {0, 2, 0, 0, 0, 1, 0, 0}, one[4] = {0, 2, 0, 0};
	const char *realm = a->realm ? a->realm : RELAY_REALM;
	const char *key_realm = a->key_realm ? a->key_realm : realm;
	const char *key_name = a->key_name ? a->key_name : a->name;
	uint8_t key[32], hash[32];
	if (a->method) {
		request_begin(r, a->method);
	} else {
		request_allocate(r);
	}
	if (a->hashed) {
		attempt_digest(EVP_sha256(), "%s:%s%s", key_name, key_realm, "", hash);
		stun_write_attr(&r->writer, STUN_ATTR_USERHASH, hash, 32);
	} else {
		stun_write_attr(&r->writer, STUN_ATTR_USERNAME, a->name,
			a->name_length ? a->name_length : strlen(a->name));
	}
	stun_write_attr(&r->writer, STUN_ATTR_REALM, realm, strlen(realm));
	stun_write_attr(&r->writer, STUN_ATTR_NONCE, r->nonce, r->nonce_length);
	if (a->sha256) {
		stun_write_attr(&r->writer, STUN_ATTR_PASSWORD_ALGORITHMS, both, 8);
		stun_write_attr(&r->writer, STUN_ATTR_PASSWORD_ALGORITHM, one, 4);
	}
	attempt_digest(a->sha256 ? EVP_sha256() : EVP_md5(), "%s:%s:%s", key_name, key_realm,
		a->password, key);
	attempt_sign(r, a->sha256, key);
	request_finish(r);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	return sent_code(last_sent(r));
}

// The answer as bytes, without what differs by chance.
static inline size_t attempt_answer(struct relay *r, uint8_t out[CTL_RESPONSE_MAX_BYTES])
{
	const struct sent *s = last_sent(r);
	struct stun_attr nonce;
	memcpy(out, s->bytes, s->length);
	memset(out + 8, 0, 12); // transaction id
	if (stun_find(&s->message, STUN_ATTR_NONCE, &nonce))
		memset(out + (nonce.value - s->bytes), 'n', nonce.length);
	return s->length;
}

// A relay with a listener in each of two realms and more kinds of users than names.
static inline void attempt_users(struct relay *r, const struct conf_user *users, size_t n)
{
	struct ctl_user_store *fresh;
	r->conf.auth.users = (struct conf_user *)(uintptr_t)users;
	r->conf.auth.n_users = n;
	assert_int_equal(ctl_policy_users(&r->conf, &fresh), 0);
	ctl_turn_set_users(r->turn, fresh);
	r->user_store->destroy(r->user_store);
	r->user_store = fresh;
	assert_int_equal(ctl_turn_set_realms(r->turn, &r->conf), 0);
}

static inline void attempt_realms(struct conf *c)
{
	c->realms[0] = RELAY_REALM;
	c->realms[1] = OTHER_REALM;
	c->n_realms = 2;
}
