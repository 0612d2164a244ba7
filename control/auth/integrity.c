// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/integrity.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"

// What an answer is signed with is what its request was verified with, so its key is not hashed into the context
// again. Verifying always takes the same work: who guesses learns nothing from the time.
struct mac {
	EVP_MAC_CTX *ctx;
	size_t key_length; // 0: none, or too long to be kept
	uint8_t key[64];
};

struct ctl_crypto {
	EVP_MD *md5, *sha256;
	EVP_MD_CTX *md_ctx;
	EVP_MAC *hmac;
	struct mac sha1_mac, sha256_mac;
};

void ctl_crypto_destroy(struct ctl_crypto *c)
{
	if (!c)
		return;
	EVP_MAC_CTX_free(c->sha1_mac.ctx);
	EVP_MAC_CTX_free(c->sha256_mac.ctx);
	EVP_MAC_free(c->hmac);
	EVP_MD_CTX_free(c->md_ctx);
	EVP_MD_free(c->md5);
	EVP_MD_free(c->sha256);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

static int create_hmac(struct ctl_crypto *c, char *digest, EVP_MAC_CTX **out)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	*out = EVP_MAC_CTX_new(c->hmac);
	if (!*out)
		return -ENOMEM;
	return EVP_MAC_CTX_set_params(*out, params) == 1 ? 0 : -ENOTSUP;
}

int ctl_crypto_create(struct ctl_crypto **out)
{
	char sha1[] = "SHA1", sha256[] = "SHA256";
	*out = NULL;
	struct ctl_crypto *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	int rc = -ENOTSUP;
	c->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	c->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!c->md5 || !c->sha256 || !c->hmac)
		goto fail;
	rc = -ENOMEM;
	c->md_ctx = EVP_MD_CTX_new();
	if (!c->md_ctx)
		goto fail;
	rc = create_hmac(c, sha1, &c->sha1_mac.ctx);
	if (!rc)
		rc = create_hmac(c, sha256, &c->sha256_mac.ctx);
	if (rc)
		goto fail;
	*out = c;
	return 0;
fail:
	ctl_crypto_destroy(c);
	return rc;
}

int ctl_crypto_password_key(struct ctl_crypto *c, enum ctl_password_algorithm algorithm,
	const void *user, size_t user_length, const char *realm, const void *password,
	size_t password_length, struct ctl_key *out)
{
	const EVP_MD *md = algorithm == CTL_PASSWORD_SHA256 ? c->sha256 : c->md5;
	*out = (struct ctl_key){.length = algorithm == CTL_PASSWORD_SHA256 ? 32 : 16};
	bool ok = EVP_DigestInit_ex2(c->md_ctx, md, NULL) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, user, user_length) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, ":", 1) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, realm, strlen(realm)) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, ":", 1) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, password, password_length) == 1 &&
		  EVP_DigestFinal_ex(c->md_ctx, out->bytes, NULL) == 1;
	return ok ? 0 : -EIO;
}

int ctl_crypto_long_term_key(struct ctl_crypto *c, const void *user, size_t user_length,
	const char *realm, const void *password, size_t password_length, struct ctl_key *out)
{
	return ctl_crypto_password_key(
		c, CTL_PASSWORD_MD5, user, user_length, realm, password, password_length, out);
}

int ctl_crypto_userhash(struct ctl_crypto *c, const void *user, size_t user_length,
	const char *realm, uint8_t out[CTL_USERHASH_BYTES])
{
	bool ok = EVP_DigestInit_ex2(c->md_ctx, c->sha256, NULL) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, user, user_length) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, ":", 1) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, realm, strlen(realm)) == 1 &&
		  EVP_DigestFinal_ex(c->md_ctx, out, NULL) == 1;
	return ok ? 0 : -EIO;
}

void ctl_key_cleanse(struct ctl_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

static bool begin(struct mac *m, const void *key, size_t key_length)
{
	m->key_length = 0;
	if (EVP_MAC_init(m->ctx, key, key_length, NULL) != 1)
		return false;
	if (key_length <= sizeof(m->key)) {
		memcpy(m->key, key, key_length);
		m->key_length = key_length;
	}
	return true;
}

static bool begin_to_sign(struct mac *m, const void *key, size_t key_length)
{
	if (m->key_length > 0 && m->key_length == key_length &&
		CRYPTO_memcmp(m->key, key, key_length) == 0)
		return EVP_MAC_init(m->ctx, NULL, 0, NULL) == 1;
	return begin(m, key, key_length);
}

// HMAC over two pieces of what was begun; `size` is that of the whole digest.
static int hmac_two(struct mac *m, bool begun, const void *first, size_t first_length,
	const void *second, size_t second_length, uint8_t *out, size_t size)
{
	size_t written;
	bool ok = begun && EVP_MAC_update(m->ctx, first, first_length) == 1 &&
		  EVP_MAC_update(m->ctx, second, second_length) == 1 &&
		  EVP_MAC_final(m->ctx, out, &written, size) == 1;
	if (!ok)
		m->key_length = 0;
	return ok && written == size ? 0 : -EIO;
}

int ctl_crypto_hmac_sha1(struct ctl_crypto *c, const void *key, size_t key_length, const void *data,
	size_t len, uint8_t out[CTL_INTEGRITY_BYTES])
{
	return hmac_two(&c->sha1_mac, begin(&c->sha1_mac, key, key_length), data, len, data, 0, out,
		CTL_INTEGRITY_BYTES);
}

int ctl_crypto_hmac_sha256(struct ctl_crypto *c, const void *key, size_t key_length,
	const void *data, size_t len, uint8_t out[CTL_INTEGRITY_SHA256_BYTES])
{
	return hmac_two(&c->sha256_mac, begin(&c->sha256_mac, key, key_length), data, len, data, 0,
		out, CTL_INTEGRITY_SHA256_BYTES);
}

// RFC 8489 sections 14.5 and 14.6: over the message up to the attribute, with a Message Length that
// ends with the attribute, whatever follows it.
bool ctl_integrity_ok(struct ctl_crypto *c, const struct stun_message *m,
	const struct stun_attr *mi, const void *key, size_t key_length)
{
	bool is_sha256 = mi->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256;
	size_t size = is_sha256 ? CTL_INTEGRITY_SHA256_BYTES : CTL_INTEGRITY_BYTES;
	size_t least = is_sha256 ? CTL_INTEGRITY_SHA256_MIN : CTL_INTEGRITY_BYTES;
	if (mi->length < least || mi->length > size || mi->length % 4 != 0)
		return false;
	uint8_t header[STUN_HEADER_BYTES], right[CTL_INTEGRITY_SHA256_BYTES];
	memcpy(header, m->bytes, sizeof(header));
	tp_wr16(header + 2,
		(uint16_t)(mi->offset + STUN_ATTR_HEADER_BYTES + mi->length - STUN_HEADER_BYTES));
	struct mac *mac = is_sha256 ? &c->sha256_mac : &c->sha1_mac;
	if (hmac_two(mac, begin(mac, key, key_length), header, sizeof(header),
		    m->bytes + sizeof(header), mi->offset - sizeof(header), right, size))
		return false;
	bool ok = CRYPTO_memcmp(right, mi->value, mi->length) == 0;
	OPENSSL_cleanse(right, sizeof(right));
	return ok;
}

int ctl_integrity_append(
	struct ctl_crypto *c, struct stun_writer *w, const void *key, size_t key_length)
{
	size_t before = w->length;
	uint8_t *value = stun_write_reserve(w, STUN_ATTR_MESSAGE_INTEGRITY, CTL_INTEGRITY_BYTES);
	if (!value)
		return 0;
	return hmac_two(&c->sha1_mac, begin_to_sign(&c->sha1_mac, key, key_length), w->buffer, before,
		value, 0, value, CTL_INTEGRITY_BYTES);
}

int ctl_integrity_sha256_append(
	struct ctl_crypto *c, struct stun_writer *w, const void *key, size_t key_length)
{
	size_t before = w->length;
	uint8_t *value = stun_write_reserve(
		w, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, CTL_INTEGRITY_SHA256_BYTES);
	if (!value)
		return 0;
	return hmac_two(&c->sha256_mac, begin_to_sign(&c->sha256_mac, key, key_length), w->buffer,
		before, value, 0, value, CTL_INTEGRITY_SHA256_BYTES);
}
