// SPDX-License-Identifier: BSD-3-Clause
// Who may log in. One asynchronous interface for every store; today the users of the config and
// time-limited credentials (rest.h), which answer before lookup returns. Users belong to realms,
// which the configuration numbers.
#pragma once

#include "control/auth/auth_failure.h"
#include "control/auth/integrity.h"

#define CTL_USER_KEYS 16 // two for each REST secret of a rotation

struct ctl_user_answer {
	int result; // 0: one of the keys must fit; -ENOENT: none does; else the store is down
	enum ctl_auth_failure why; // with -ENOENT: for the counters
	bool expired;              // with 0: the credential is past its time
	uint32_t n_keys; // with -ENOENT too: keys that fit nobody, so that the work is the same
	struct ctl_key key[CTL_USER_KEYS];
	const uint8_t *user; // with 0: the name, which a USERHASH does not tell
	size_t user_length;
};

// Who asks: by name, or by hash when `userhash` is there.
struct ctl_user_query {
	uint16_t realm;      // the listener's
	const uint8_t *user; // prepared (opaque_string.h); of length 0 nobody's
	size_t user_length;
	const uint8_t *sent; // the same as the client sent it: what it makes its key of
	size_t sent_length;
	const uint8_t *userhash; // CTL_USERHASH_BYTES, or NULL
	enum ctl_password_algorithm algorithm;
	uint64_t wall_ns;
};

// The callee copies what it needs; the answer is cleansed afterwards.
typedef void (*ctl_user_answer_fn)(void *context, const struct ctl_user_answer *answer);

struct ctl_user_store {
	// Looks a user up and calls `answer` exactly once, before or after it returns, in the same
	// thread. The query and what it points to are valid until it returns.
	void (*lookup)(struct ctl_user_store *store, const struct ctl_user_query *query,
		ctl_user_answer_fn answer, void *context);
	void (*destroy)(struct ctl_user_store *store);
};

struct ctl_user_entry { // prepared; with a password, or keys as hexadecimal digits
	const char *name, *password;
	const char *key,
		*key_sha256; // MD5 and SHA-256 of name:realm:password; the latter may be NULL
	uint16_t realm;
};

struct ctl_config_users_options { // all copied; secrets are cleansed at the end
	const char *const *realms;
	size_t n_realms;
	const struct ctl_user_entry *users;
	size_t n_users;
	const char *const *rest_secrets; // of all realms; at most half of CTL_USER_KEYS
	size_t n_rest_secrets;
};

// Users of the config and REST secrets. 0; -EINVAL an entry or its realm makes no sense; -E2BIG too
// many secrets; -ENOMEM, -EIO.
// End it with its destroy().
int ctl_config_users_create(
	const struct ctl_config_users_options *options, struct ctl_user_store **out);
