// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/oauth.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"

#define SHA1_BYTES     20
#define BLOCK_FIXED    (2 + 8 + 4) // all of an encrypted block but mac_key
#define UNITS_PER_S    UINT64_C(64000)
#define NS_PER_UNIT    (TP_NS_PER_S / UNITS_PER_S)
#define IDENTITY_BYTES 8  // of the digest
#define CUT_KEY_BYTES  16 // of coturn: what a key of MD5 has

static_assert(NS_PER_UNIT * UNITS_PER_S == TP_NS_PER_S);
static_assert(CTL_OAUTH_MAC_KEY_MAX <= CTL_KEY_BYTES);
static_assert(1 + 2 * IDENTITY_BYTES == CTL_OAUTH_IDENTITY_MORE);

struct ctl_oauth {
	EVP_CIPHER *cipher[2]; // by enum ctl_oauth_algorithm
	EVP_CIPHER_CTX *ctx;
	struct ctl_crypto *crypto;
	char *server_name;
	struct ctl_oauth_key *keys; // with kids of their own
	size_t n_keys;
	bool cut_keys;
};

const char *ctl_oauth_result_name(unsigned int result)
{
	static const char *const name[] = {
#define OAUTH_RESULT(name, help) #name,
#include "control/auth/oauth_result.def"
#undef OAUTH_RESULT
	};
	return result < CTL_OAUTH_RESULTS ? name[result] : NULL;
}

const char *ctl_oauth_result_help(unsigned int result)
{
	static const char *const text[] = {
#define OAUTH_RESULT(name, help) help,
#include "control/auth/oauth_result.def"
#undef OAUTH_RESULT
	};
	return result < CTL_OAUTH_RESULTS ? text[result] : NULL;
}

void ctl_oauth_token_cleanse(struct ctl_oauth_token *token)
{
	OPENSSL_cleanse(token, sizeof(*token));
}

const char *ctl_oauth_server_name(const struct ctl_oauth *o)
{
	return o->server_name;
}

bool ctl_oauth_same_key(const struct ctl_key *a, const struct ctl_key *b)
{
	return a->length == b->length && CRYPTO_memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

// ---- The token, RFC 7635 section 6.2.

// Where the parts of a token are: nonce_length (2 bytes), nonce, ciphertext, tag.
struct sealed {
	const uint8_t *nonce, *text, *tag;
	size_t text_length;
};

static bool read_sealed(const uint8_t *at, size_t length, struct sealed *out)
{
	const size_t around = 2 + CTL_OAUTH_NONCE_BYTES + CTL_OAUTH_TAG_BYTES;
	if (length < around + BLOCK_FIXED + CTL_OAUTH_MAC_KEY_MIN ||
		length > around + BLOCK_FIXED + CTL_OAUTH_MAC_KEY_MAX ||
		tp_rd16(at) != CTL_OAUTH_NONCE_BYTES)
		return false;
	out->nonce = at + 2;
	out->text = out->nonce + CTL_OAUTH_NONCE_BYTES;
	out->text_length = length - around;
	out->tag = out->text + out->text_length;
	return true;
}

// The plaintext: key_length (2 bytes), mac_key, timestamp (8), lifetime (4), and nothing behind. It
// is as long as read_sealed lets it be, which holds the least of them.
static bool read_block(const uint8_t *at, size_t length, struct ctl_oauth_token *out)
{
	size_t key_length = tp_rd16(at);
	if (key_length < CTL_OAUTH_MAC_KEY_MIN || key_length > CTL_OAUTH_MAC_KEY_MAX ||
		length != BLOCK_FIXED + key_length)
		return false;
	out->mac_key.length = (uint32_t)key_length;
	memcpy(out->mac_key.bytes, at + 2, key_length);
	out->timestamp = tp_rd64(at + 2 + key_length);
	out->lifetime_s = tp_rd32(at + 2 + key_length + 8);
	return true;
}

// AEAD decryption (RFC 5116 section 2.2) with the server name as associated data.
static bool unseal(struct ctl_oauth *o, const struct ctl_oauth_key *k, const struct sealed *s,
	uint8_t out[CTL_OAUTH_BLOCK_BYTES])
{
	uint8_t tag[CTL_OAUTH_TAG_BYTES];
	int n;
	memcpy(tag, s->tag, sizeof(tag));
	bool ok =
		EVP_DecryptInit_ex2(o->ctx, o->cipher[k->algorithm], k->key, s->nonce, NULL) == 1 &&
		EVP_DecryptUpdate(o->ctx, NULL, &n, (const uint8_t *)o->server_name,
			(int)strlen(o->server_name)) == 1 &&
		EVP_DecryptUpdate(o->ctx, out, &n, s->text, (int)s->text_length) == 1 &&
		EVP_CIPHER_CTX_ctrl(o->ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
		EVP_DecryptFinal_ex(o->ctx, out + n, &n) == 1;
	EVP_CIPHER_CTX_reset(o->ctx); // the key schedule
	return ok;
}

// Section 7: lifetime + Delta > abs(RDnew - TS); section 9: what is left of it, and never more than
// the lifetime. A lifetime of 0 grants nothing.
static enum ctl_oauth_result check_time(struct ctl_oauth_token *t, uint64_t wall_ns)
{
	uint64_t now = wall_ns / NS_PER_UNIT;
	uint64_t then = (t->timestamp >> 16) * UNITS_PER_S + (t->timestamp & 0xffff);
	uint64_t limit = ((uint64_t)t->lifetime_s + CTL_OAUTH_DELTA_S) * UNITS_PER_S;
	uint64_t apart = now > then ? now - then : then - now;
	if (apart >= limit || t->lifetime_s == 0)
		return then > now ? CTL_OAUTH_early : CTL_OAUTH_expired;
	uint64_t left_s = (limit - apart) / UNITS_PER_S;
	if (left_s > t->lifetime_s)
		left_s = t->lifetime_s;
	t->left_s = left_s ? (uint32_t)left_s : 1; // the rest of a second
	return CTL_OAUTH_accepted;
}

static const struct ctl_oauth_key *find_key(
	const struct ctl_oauth *o, const void *kid, size_t length)
{
	for (size_t i = 0; i < o->n_keys; i++)
		if (strlen(o->keys[i].kid) == length && memcmp(o->keys[i].kid, kid, length) == 0)
			return &o->keys[i];
	return NULL;
}

static bool key_valid(const struct ctl_oauth_key *k, uint64_t wall_ns)
{
	uint64_t now_s = wall_ns / TP_NS_PER_S;
	return now_s + CTL_OAUTH_DELTA_S >= k->valid_from_s &&
	       (k->valid_until_s == 0 || now_s < k->valid_until_s + CTL_OAUTH_DELTA_S);
}

// "kid:" and a digest of mac_key under the long-term key, so that whoever reads it in a list cannot
// try keys against it.
static bool write_identity(
	struct ctl_oauth *o, const struct ctl_oauth_key *k, struct ctl_oauth_token *t)
{
	static const char digit[] = "0123456789abcdef";
	static const char purpose[8] = "identity";
	uint8_t text[sizeof(purpose) + CTL_OAUTH_MAC_KEY_MAX], digest[CTL_INTEGRITY_BYTES];
	size_t n = strlen(k->kid);
	memcpy(text, purpose, sizeof(purpose));
	memcpy(text + sizeof(purpose), t->mac_key.bytes, t->mac_key.length);
	int rc = ctl_crypto_hmac_sha1(o->crypto, k->key, sizeof(k->key), text,
		sizeof(purpose) + t->mac_key.length, digest);
	OPENSSL_cleanse(text, sizeof(text));
	memcpy(t->identity, k->kid, n);
	t->identity[n++] = ':';
	for (size_t i = 0; i < IDENTITY_BYTES; i++) {
		t->identity[n++] = (uint8_t)digit[digest[i] >> 4];
		t->identity[n++] = (uint8_t)digit[digest[i] & 15];
	}
	t->identity_length = n;
	return rc == 0;
}

static enum ctl_oauth_result open_token(struct ctl_oauth *o, const struct ctl_oauth_key *k,
	const struct sealed *s, uint64_t wall_ns, struct ctl_oauth_token *out)
{
	uint8_t block[CTL_OAUTH_BLOCK_BYTES];
	enum ctl_oauth_result result = CTL_OAUTH_tag;
	if (unseal(o, k, s, block))
		result = read_block(block, s->text_length, out) ? check_time(out, wall_ns)
								: CTL_OAUTH_malformed;
	if (result == CTL_OAUTH_accepted && !write_identity(o, k, out))
		result = CTL_OAUTH_tag;
	OPENSSL_cleanse(block, sizeof(block));
	return result;
}

enum ctl_oauth_result ctl_oauth_verify(struct ctl_oauth *o, const void *kid, size_t kid_length,
	const void *value, size_t length, uint64_t wall_ns, struct ctl_oauth_token *out)
{
	uint8_t bytes[TP_BASE64_BYTES((CTL_OAUTH_TOKEN_BYTES + 2) / 3 * 4)];
	struct sealed s;
	*out = (struct ctl_oauth_token){0};
	const struct ctl_oauth_key *k = find_key(o, kid, kid_length);
	if (!k)
		return CTL_OAUTH_unknown_kid;
	if (!key_valid(k, wall_ns))
		return CTL_OAUTH_key_period;
	// Section 6.2 has the token "base64 encoded" on its way to a client that must not look into
	// it; most decode it all the same. No token begins like a text: its first byte is 0.
	if (!read_sealed(value, length, &s) &&
		!(tp_base64_read(value, length, bytes, sizeof(bytes), &length) &&
			read_sealed(bytes, length, &s)))
		return CTL_OAUTH_malformed;
	enum ctl_oauth_result result = open_token(o, k, &s, wall_ns, out);
	if (result != CTL_OAUTH_accepted)
		ctl_oauth_token_cleanse(out);
	return result;
}

// ---- Integrity.

void ctl_oauth_take_cut_keys(struct ctl_oauth *o)
{
	o->cut_keys = true;
}

bool ctl_oauth_integrity_ok(struct ctl_oauth *o, const struct stun_message *m,
	const struct stun_attr *mi, const struct ctl_key *mac_key, struct ctl_key *out)
{
	bool is_sha256 = mi->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256;
	*out = *mac_key;
	// RFC 8489 section 14.6: TURN allows no truncation.
	if (is_sha256 && mi->length != CTL_INTEGRITY_SHA256_BYTES)
		return false;
	if (ctl_integrity_ok(o->crypto, m, mi, out->bytes, out->length))
		return true;
	if (is_sha256)
		return false;
	if (o->cut_keys) {
		*out = (struct ctl_key){.length = CUT_KEY_BYTES};
		memcpy(out->bytes, mac_key->bytes, CUT_KEY_BYTES);
		if (ctl_integrity_ok(o->crypto, m, mi, out->bytes, out->length))
			return true;
	}
	if (mac_key->length <= SHA1_BYTES)
		return false;
	*out = (struct ctl_key){.length = SHA1_BYTES};
	return EVP_Q_digest(NULL, "SHA1", NULL, mac_key->bytes, mac_key->length, out->bytes,
		       NULL) == 1 &&
	       ctl_integrity_ok(o->crypto, m, mi, out->bytes, out->length);
}

// ---- Making and unmaking.

void ctl_oauth_destroy(struct ctl_oauth *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n_keys; i++)
		free((char *)(uintptr_t)o->keys[i].kid);
	if (o->keys)
		OPENSSL_cleanse(o->keys, o->n_keys * sizeof(*o->keys));
	free(o->keys);
	free(o->server_name);
	ctl_crypto_destroy(o->crypto);
	EVP_CIPHER_CTX_free(o->ctx);
	EVP_CIPHER_free(o->cipher[CTL_OAUTH_A256GCM]);
	EVP_CIPHER_free(o->cipher[CTL_OAUTH_A128GCM]);
	free(o);
}

static int copy_keys(struct ctl_oauth *o, const struct ctl_oauth_key *keys, size_t n_keys)
{
	o->keys = calloc(n_keys, sizeof(*o->keys));
	if (!o->keys)
		return -ENOMEM;
	for (size_t i = 0; i < n_keys; i++) {
		size_t length = strlen(keys[i].kid);
		if (length == 0 || length > CTL_OAUTH_KID_BYTES || find_key(o, keys[i].kid, length))
			return -EINVAL;
		o->keys[i] = keys[i];
		o->keys[i].kid = strdup(keys[i].kid);
		o->n_keys++;
		if (!o->keys[i].kid)
			return -ENOMEM;
	}
	return 0;
}

static int fill(struct ctl_oauth *o, const char *server_name, const struct ctl_oauth_key *keys,
	size_t n_keys)
{
	o->cipher[CTL_OAUTH_A256GCM] = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	o->cipher[CTL_OAUTH_A128GCM] = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	if (!o->cipher[CTL_OAUTH_A256GCM] || !o->cipher[CTL_OAUTH_A128GCM])
		return -ENOTSUP;
	o->ctx = EVP_CIPHER_CTX_new();
	o->server_name = strdup(server_name);
	if (!o->ctx || !o->server_name)
		return -ENOMEM;
	int rc = ctl_crypto_create(&o->crypto);
	return rc ? rc : copy_keys(o, keys, n_keys);
}

int ctl_oauth_create(const char *server_name, const struct ctl_oauth_key *keys, size_t n_keys,
	struct ctl_oauth **out)
{
	*out = NULL;
	if (n_keys == 0)
		return -EINVAL;
	struct ctl_oauth *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	int rc = fill(o, server_name, keys, n_keys);
	if (rc) {
		ctl_oauth_destroy(o);
		return rc;
	}
	*out = o;
	return 0;
}
