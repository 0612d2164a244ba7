// SPDX-License-Identifier: BSD-3-Clause
// MESSAGE-INTEGRITY, HMAC-SHA1 (RFC 8489 section 14.5), and the long-term key (section 9.2.2).
#pragma once

#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

#define CTL_KEY_BYTES       16
#define CTL_INTEGRITY_BYTES 20

struct ctl_key {
	uint8_t bytes[CTL_KEY_BYTES];
};

void ctl_key_cleanse(struct ctl_key *key);

// libcrypto's contexts, made once; one thread.
struct ctl_crypto;
int ctl_crypto_create(struct ctl_crypto **out); // 0, -ENOMEM, -ENOTSUP (MD5 or SHA1 not offered)
void ctl_crypto_destroy(struct ctl_crypto *crypto);

// MD5(user ":" realm ":" password). 0, -EIO.
int ctl_crypto_long_term_key(struct ctl_crypto *crypto, const void *user, size_t user_length,
	const char *realm, const void *password, size_t password_length, struct ctl_key *out);

// HMAC-SHA1 over a message. 0, -EIO.
int ctl_crypto_hmac_sha1(struct ctl_crypto *crypto, const void *key, size_t key_length,
	const void *data, size_t len, uint8_t out[CTL_INTEGRITY_BYTES]);

// Verifies the MESSAGE-INTEGRITY attribute `mi` of the message against a key (short-term keys may
// have any length). Constant-time compare.
bool ctl_integrity_ok(struct ctl_crypto *crypto, const struct stun_message *message,
	const struct stun_attr *mi, const void *key, size_t key_length);

// Appends MESSAGE-INTEGRITY over all that was written. 0, -EIO; an overflow is the writer's.
int ctl_integrity_append(
	struct ctl_crypto *crypto, struct stun_writer *w, const void *key, size_t key_length);
