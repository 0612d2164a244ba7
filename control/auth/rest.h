// SPDX-License-Identifier: BSD-3-Clause
// Time-limited credentials (draft-uberti-behave-turn-rest): the user name has the time it ends at,
// the password is base64 of HMAC-SHA1 or HMAC-SHA256 over the name, keyed with a secret that a
// service shares with us.
#pragma once

#include "control/auth/integrity.h"

#define CTL_REST_KEYS 2 // that one secret makes: by HMAC-SHA1, by HMAC-SHA256

// Reads the seconds since 1970 out of "timestamp", "timestamp:id", "id:timestamp" or ":timestamp",
// where the id is no number. False when the name has none of these forms.
bool ctl_rest_timestamp(const uint8_t *user, size_t length, uint64_t *out_s);

// The long-term keys of the passwords that a secret makes for a user, `user` as the client sent
// it. 0, -EIO.
int ctl_rest_keys(struct ctl_crypto *crypto, const char *secret,
	enum ctl_password_algorithm algorithm, const uint8_t *user, size_t length,
	const char *realm, struct ctl_key out[CTL_REST_KEYS]);
