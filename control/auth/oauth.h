// SPDX-License-Identifier: BSD-3-Clause
// Self-contained access tokens of third-party authorization (RFC 7635 section 6.2): made by an
// authorization server, encrypted with a key that it shares with us, opaque to the client. Pure but
// for libcrypto; one thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/auth/integrity.h"

#define CTL_OAUTH_KEY_BYTES   32 // the longest long-term key
#define CTL_OAUTH_NONCE_BYTES 12 // RFC 5116 section 5: AES-GCM takes no other
#define CTL_OAUTH_TAG_BYTES   16
#define CTL_OAUTH_MAC_KEY_MIN 20 // HMAC-SHA1 (160 bits)
#define CTL_OAUTH_MAC_KEY_MAX 32 // HMAC-SHA-256
#define CTL_OAUTH_BLOCK_BYTES (2 + CTL_OAUTH_MAC_KEY_MAX + 8 + 4)
#define CTL_OAUTH_TOKEN_BYTES                                                                      \
	(2 + CTL_OAUTH_NONCE_BYTES + CTL_OAUTH_BLOCK_BYTES + CTL_OAUTH_TAG_BYTES)
#define CTL_OAUTH_DELTA_S       5  // sections 7 and 9
#define CTL_OAUTH_KID_BYTES     43 // an identity fits a record of the session region
#define CTL_OAUTH_IDENTITY_MORE 17 // what an identity has beyond its kid

enum ctl_oauth_result {
#define OAUTH_RESULT(name, help) CTL_OAUTH_##name,
#include "control/auth/oauth_result.def"
#undef OAUTH_RESULT
	CTL_OAUTH_RESULTS,
};

// "accepted"; NULL beyond the last one: names for metrics and tools.
const char *ctl_oauth_result_name(unsigned int result);
const char *ctl_oauth_result_help(unsigned int result);

enum ctl_oauth_algorithm {
	CTL_OAUTH_A256GCM, // 32 bytes of key
	CTL_OAUTH_A128GCM, // 16
};

// A long-term key, shared with an authorization server.
struct ctl_oauth_key {
	const char *kid;
	enum ctl_oauth_algorithm algorithm;
	uint8_t key[CTL_OAUTH_KEY_BYTES];
	uint64_t valid_from_s;  // seconds since 1970
	uint64_t valid_until_s; // 0: no end
};

// What a token says.
struct ctl_oauth_token {
	struct ctl_key mac_key;
	uint64_t timestamp; // 48 bits of seconds since 1970, 16 bits of 1/64000 s
	uint32_t lifetime_s;
	uint32_t left_s; // the most that an allocation may still live: at least 1
	// Whom allocations are kept for: the kid, and a digest of mac_key by which the clients of
	// one authorization server differ. It tells nothing of the key.
	uint8_t identity[CTL_OAUTH_KID_BYTES + CTL_OAUTH_IDENTITY_MORE];
	size_t identity_length;
};

void ctl_oauth_token_cleanse(struct ctl_oauth_token *token);

struct ctl_oauth;

// Copies everything; keys are cleansed at the end. 0, -EINVAL (no key, a kid empty, too long or
// there twice), -ENOMEM, -ENOTSUP (libcrypto has no AES-GCM), -errno of crypto.
int ctl_oauth_create(const char *server_name, const struct ctl_oauth_key *keys, size_t n_keys,
	struct ctl_oauth **out);
void ctl_oauth_destroy(struct ctl_oauth *oauth);

// For THIRD-PARTY-AUTHORIZATION (section 6.1).
const char *ctl_oauth_server_name(const struct ctl_oauth *oauth);

// Verifies a token, the value of ACCESS-TOKEN, in the order of section 7: the key that `kid`
// selects, decryption with the server name as associated data, the time. The value is the token,
// or its base64. CTL_OAUTH_accepted and *out, which the caller cleanses; else *out is all zero.
enum ctl_oauth_result ctl_oauth_verify(struct ctl_oauth *oauth, const void *kid, size_t kid_length,
	const void *value, size_t length, uint64_t wall_ns, struct ctl_oauth_token *out);

// Also take MESSAGE-INTEGRITY by the first 16 bytes of a session key, as coturn's client makes it.
void ctl_oauth_take_cut_keys(struct ctl_oauth *oauth);

// Verifies MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 by mac_key (section 5: it is the key, no
// MD5). A 256-bit key serves MESSAGE-INTEGRITY as it stands, or as its SHA-1 (appendix B). `out`:
// what fitted, for the answer.
bool ctl_oauth_integrity_ok(struct ctl_oauth *oauth, const struct stun_message *message,
	const struct stun_attr *mi, const struct ctl_key *mac_key, struct ctl_key *out);

// Constant-time.
bool ctl_oauth_same_key(const struct ctl_key *a, const struct ctl_key *b);
