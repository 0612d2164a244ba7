// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/rest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define DIGITS_MAX 12 // more are beyond any clock

// How many digits a text begins with, and their value while they are few enough.
static size_t digits(const uint8_t *text, size_t length, uint64_t *value)
{
	size_t i = 0;
	*value = 0;
	for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
		if (i < DIGITS_MAX)
			*value = *value * 10 + (uint64_t)(text[i] - '0');
	return i;
}

bool ctl_rest_timestamp(const uint8_t *user, size_t length, uint64_t *out_s)
{
	size_t n = digits(user, length, out_s);
	if (n == length || user[n] == ':') { // a timestamp first, or nothing before the colon
		if (n > 0)
			return n <= DIGITS_MAX;
	}
	const uint8_t *colon = length > 0 ? memchr(user, ':', length) : NULL;
	if (!colon)
		return false;
	size_t rest = length - (size_t)(colon + 1 - user);
	n = digits(colon + 1, rest, out_s);
	return n > 0 && n == rest && n <= DIGITS_MAX;
}

static int key_of(struct ctl_crypto *crypto, const char *secret,
	enum ctl_password_algorithm algorithm, const uint8_t *user, size_t length,
	const char *realm, bool sha256, struct ctl_key *out)
{
	uint8_t digest[CTL_INTEGRITY_SHA256_BYTES];
	unsigned char password[4 * ((CTL_INTEGRITY_SHA256_BYTES + 2) / 3) + 1];
	int bytes = sha256 ? CTL_INTEGRITY_SHA256_BYTES : CTL_INTEGRITY_BYTES;
	int rc =
		sha256 ? ctl_crypto_hmac_sha256(
				 crypto, secret, strlen(secret), user, length, digest)
		       : ctl_crypto_hmac_sha1(crypto, secret, strlen(secret), user, length, digest);
	if (rc)
		return rc;
	int n = EVP_EncodeBlock(password, digest, bytes);
	rc = ctl_crypto_password_key(
		crypto, algorithm, user, length, realm, password, (size_t)n, out);
	OPENSSL_cleanse(digest, sizeof(digest));
	OPENSSL_cleanse(password, sizeof(password));
	return rc;
}

int ctl_rest_keys(struct ctl_crypto *crypto, const char *secret,
	enum ctl_password_algorithm algorithm, const uint8_t *user, size_t length,
	const char *realm, struct ctl_key out[CTL_REST_KEYS])
{
	int rc = key_of(crypto, secret, algorithm, user, length, realm, false, &out[0]);
	if (!rc)
		rc = key_of(crypto, secret, algorithm, user, length, realm, true, &out[1]);
	return rc;
}
