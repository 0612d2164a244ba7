// SPDX-License-Identifier: BSD-3-Clause
// The body of the answers that ask for credentials, 401 and 438 (RFC 8489 section 9.2.4).
#pragma once

#include "common/wire/nonce.h"
#include "common/wire/stun_write.h"

// RFC 8489 section 18.5.
#define STUN_PASSWORD_MD5    1
#define STUN_PASSWORD_SHA256 2

// PASSWORD-ALGORITHMS as we offer them: SHA-256, then MD5, each without parameters.
#define STUN_PASSWORD_ALGORITHMS_BYTES 8
void stun_password_algorithms(uint8_t out[STUN_PASSWORD_ALGORITHMS_BYTES]);

// The security features in the nonce cookie of every challenge, whoever writes it. No username
// anonymity: it would oblige clients to USERHASH, which cannot find time-limited users.
#define STUN_CHALLENGE_FEATURES STUN_FEATURE_PASSWORD_ALGORITHMS

// A 401 to `request_bytes` of STUN is at most 2.5 times as long, IPv4 and UDP headers included.
#define STUN_CHALLENGE_MAX_BYTES(request_bytes) (((request_bytes) + 28) * 5 / 2 - 28)

// Header and REQUESTED-TRANSPORT.
#define STUN_LEAST_ALLOCATE_BYTES 28

// Appends ERROR-CODE, REALM, NONCE, when the features say so PASSWORD-ALGORITHMS, and where
// `server_name` is not NULL THIRD-PARTY-AUTHORIZATION (RFC 7635 section 6.1) to a message begun.
// Where the whole, `after_bytes` that follow included (a FINGERPRINT, in the request too), would be
// longer than max_bytes, the reason phrase is left out, and in the answer to less than any Allocate
// has THIRD-PARTY-AUTHORIZATION before it. No SOFTWARE: these answers go to strangers.
void stun_write_challenge(struct stun_writer *w, enum stun_err code, const char *realm,
	const char *server_name, const char nonce[TP_NONCE_CHARS], uint32_t features,
	size_t after_bytes, size_t max_bytes);
