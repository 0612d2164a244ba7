// SPDX-License-Identifier: BSD-3-Clause
// MESSAGE-INTEGRITY, HMAC-SHA1 (RFC 8489 section 14.5), MESSAGE-INTEGRITY-SHA256 (section 14.6),
// and the long-term keys (sections 9.2.2 and 18.5.1).
#pragma once

#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

#define CTL_KEY_BYTES              32 // the longest, of SHA-256
#define CTL_INTEGRITY_BYTES        20
#define CTL_INTEGRITY_SHA256_BYTES 32
#define CTL_INTEGRITY_SHA256_MIN   16 // truncated, where a usage of STUN allows it
#define CTL_USERHASH_BYTES         32

// Of the password: the values of PASSWORD-ALGORITHM (RFC 8489 section 18.5).
enum ctl_password_algorithm {
	CTL_PASSWORD_MD5 = 1,
	CTL_PASSWORD_SHA256 = 2,
};

struct ctl_key {
	uint8_t bytes[CTL_KEY_BYTES]; // zero beyond length
	uint32_t length;              // 16 or 32
};

void ctl_key_cleanse(struct ctl_key *key);

// libcrypto's contexts, made once; one thread.
struct ctl_crypto;
int ctl_crypto_create(struct ctl_crypto **out); // 0, -ENOMEM, -ENOTSUP (a digest is not offered)
void ctl_crypto_destroy(struct ctl_crypto *crypto);

// algorithm(user ":" realm ":" password). 0, -EIO.
int ctl_crypto_password_key(struct ctl_crypto *crypto, enum ctl_password_algorithm algorithm,
	const void *user, size_t user_length, const char *realm, const void *password,
	size_t password_length, struct ctl_key *out);

// The same with MD5, the key of clients that know no other. 0, -EIO.
int ctl_crypto_long_term_key(struct ctl_crypto *crypto, const void *user, size_t user_length,
	const char *realm, const void *password, size_t password_length, struct ctl_key *out);

// SHA-256(user ":" realm), the value of USERHASH (RFC 8489 section 14.4). 0, -EIO.
int ctl_crypto_userhash(struct ctl_crypto *crypto, const void *user, size_t user_length,
	const char *realm, uint8_t out[CTL_USERHASH_BYTES]);

// HMAC-SHA1 and HMAC-SHA256 over a message. 0, -EIO.
int ctl_crypto_hmac_sha1(struct ctl_crypto *crypto, const void *key, size_t key_length,
	const void *data, size_t len, uint8_t out[CTL_INTEGRITY_BYTES]);
int ctl_crypto_hmac_sha256(struct ctl_crypto *crypto, const void *key, size_t key_length,
	const void *data, size_t len, uint8_t out[CTL_INTEGRITY_SHA256_BYTES]);

// HMAC-SHA-256 over a message. 0, -EIO.
int ctl_crypto_hmac_sha256(struct ctl_crypto *crypto, const void *key, size_t key_length,
	const void *data, size_t len, uint8_t out[CTL_INTEGRITY_SHA256_BYTES]);

// Verifies the MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 attribute `mi` of the message against
// a key (short-term keys may have any length). The latter may be truncated: 16 to 32 bytes, a
// multiple of 4; who allows no truncation checks its length. Constant-time compare.
bool ctl_integrity_ok(struct ctl_crypto *crypto, const struct stun_message *message,
	const struct stun_attr *mi, const void *key, size_t key_length);

// Appends MESSAGE-INTEGRITY, or a whole MESSAGE-INTEGRITY-SHA256, over all that was written. 0,
// -EIO; an overflow is the writer's.
int ctl_integrity_append(
	struct ctl_crypto *crypto, struct stun_writer *w, const void *key, size_t key_length);
int ctl_integrity_sha256_append(
	struct ctl_crypto *crypto, struct stun_writer *w, const void *key, size_t key_length);
