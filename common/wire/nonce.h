// SPDX-License-Identifier: BSD-3-Clause
// The text of our nonces (RFC 8489 section 9.2): the nonce cookie, then base64 of the seconds of
// the wall clock (4 bytes) and of a SipHash-2-4 (8 bytes) over them, the cookie's features, the
// client's transport address and the listener. Whoever holds the key can write and verify them.
//
//   obMatJos2 wAAA  AAAA AAAA AAAA AAAA
//   |         |     time and tag, 16 characters
//   |         24 security feature bits (section 18.1)
//   constant
#pragma once

#include <stdbool.h>

#include "common/base/addr.h"
#include "common/base/hash.h"

#define TP_NONCE_COOKIE_CHARS 13
#define TP_NONCE_CHARS        29 // cookie included; not terminated on the wire

// STUN security features (section 18.1): bit 0 is the most significant one of 24.
#define STUN_FEATURE_PASSWORD_ALGORITHMS UINT32_C(0x800000)
#define STUN_FEATURE_USERNAME_ANONYMITY  UINT32_C(0x400000)

// What a nonce is made for.
struct tp_nonce {
	uint32_t features; // the 24 bits of the cookie
	uint32_t time_s;   // wall clock
	struct tp_addr client, listener;
};

// Writes TP_NONCE_CHARS characters, without a NUL.
void tp_nonce_write(
	const struct tp_siphash_key *key, const struct tp_nonce *nonce, char out[TP_NONCE_CHARS]);

// The tag that `nonce` must have under this key.
uint64_t tp_nonce_tag(const struct tp_siphash_key *key, const struct tp_nonce *nonce);

// Reads a text of ours: fills features and time_s of *nonce (the addresses are the caller's), and
// the tag, which the caller compares in constant time. False when it is no such text.
bool tp_nonce_read(const void *text, size_t len, struct tp_nonce *nonce, uint64_t *tag);

// The features of the nonce cookie that any NONCE value may start with; 0 without a cookie.
uint32_t tp_nonce_features(const void *text, size_t len);
