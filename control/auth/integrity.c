// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/integrity.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "common/base/bytes.h"

#define INTEGRITY_ATTR_BYTES (STUN_ATTR_HEADER_BYTES + CTL_INTEGRITY_BYTES)

struct ctl_crypto {
	EVP_MD *md5;
	EVP_MD_CTX *md_ctx;
	EVP_MAC *hmac;
	EVP_MAC_CTX *mac_ctx; // HMAC with SHA-1
};

void ctl_crypto_destroy(struct ctl_crypto *c)
{
	if (!c)
		return;
	EVP_MAC_CTX_free(c->mac_ctx);
	EVP_MAC_free(c->hmac);
	EVP_MD_CTX_free(c->md_ctx);
	EVP_MD_free(c->md5);
	free(c);
}

int ctl_crypto_create(struct ctl_crypto **out)
{
	*out = NULL;
	struct ctl_crypto *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	int rc = -ENOTSUP;
	c->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	c->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (!c->md5 || !c->hmac)
		goto fail;
	rc = -ENOMEM;
	c->md_ctx = EVP_MD_CTX_new();
	c->mac_ctx = EVP_MAC_CTX_new(c->hmac);
	if (!c->md_ctx || !c->mac_ctx)
		goto fail;
	char digest[] = "SHA1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	if (EVP_MAC_CTX_set_params(c->mac_ctx, params) != 1) {
		rc = -ENOTSUP;
		goto fail;
	}
	*out = c;
	return 0;
fail:
	ctl_crypto_destroy(c);
	return rc;
}

int ctl_crypto_long_term_key(struct ctl_crypto *c, const void *user, size_t user_length,
	const char *realm, const void *password, size_t password_length, struct ctl_key *out)
{
	bool ok = EVP_DigestInit_ex2(c->md_ctx, c->md5, NULL) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, user, user_length) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, ":", 1) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, realm, strlen(realm)) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, ":", 1) == 1 &&
		  EVP_DigestUpdate(c->md_ctx, password, password_length) == 1 &&
		  EVP_DigestFinal_ex(c->md_ctx, out->bytes, NULL) == 1;
	return ok ? 0 : -EIO;
}

void ctl_key_cleanse(struct ctl_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

// HMAC-SHA1 over two pieces.
static int hmac_two(struct ctl_crypto *c, const void *key, size_t key_length, const void *first,
	size_t first_length, const void *second, size_t second_length,
	uint8_t out[CTL_INTEGRITY_BYTES])
{
	size_t written;
	bool ok = EVP_MAC_init(c->mac_ctx, key, key_length, NULL) == 1 &&
		  EVP_MAC_update(c->mac_ctx, first, first_length) == 1 &&
		  EVP_MAC_update(c->mac_ctx, second, second_length) == 1 &&
		  EVP_MAC_final(c->mac_ctx, out, &written, CTL_INTEGRITY_BYTES) == 1;
	return ok && written == CTL_INTEGRITY_BYTES ? 0 : -EIO;
}

int ctl_crypto_hmac_sha1(struct ctl_crypto *c, const void *key, size_t key_length, const void *data,
	size_t len, uint8_t out[CTL_INTEGRITY_BYTES])
{
	return hmac_two(c, key, key_length, data, len, data, 0, out);
}

// RFC 8489 section 14.5: over the message up to the attribute, with a Message Length that ends with
// the attribute, whatever follows it.
bool ctl_integrity_ok(struct ctl_crypto *c, const struct stun_message *m,
	const struct stun_attr *mi, const void *key, size_t key_length)
{
	if (mi->length != CTL_INTEGRITY_BYTES)
		return false;
	uint8_t header[STUN_HEADER_BYTES], right[CTL_INTEGRITY_BYTES];
	memcpy(header, m->bytes, sizeof(header));
	tp_wr16(header + 2, (uint16_t)(mi->offset + INTEGRITY_ATTR_BYTES - STUN_HEADER_BYTES));
	if (hmac_two(c, key, key_length, header, sizeof(header), m->bytes + sizeof(header),
		    mi->offset - sizeof(header), right))
		return false;
	bool ok = CRYPTO_memcmp(right, mi->value, sizeof(right)) == 0;
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
	return ctl_crypto_hmac_sha1(c, key, key_length, w->buffer, before, value);
}
