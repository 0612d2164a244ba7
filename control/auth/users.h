// SPDX-License-Identifier: BSD-3-Clause
// Who may log in. One asynchronous interface for every store; today the users of the config and
// REST time-limited credentials ("timestamp[:id]", password base64(HMAC-SHA1(secret, username))),
// which answer before lookup returns.
#pragma once

#include "control/auth/integrity.h"

#define CTL_USER_KEYS 8 // REST secrets of a rotation

struct ctl_user_answer {
	int result; // 0: one of the keys must fit; -ENOENT unknown or expired; else store is down
	uint32_t n_keys; // with -ENOENT too: keys that fit nobody, so that the work is the same
	struct ctl_key key[CTL_USER_KEYS];
	const uint8_t *user; // with 0: the name, which a USERHASH does not tell
	size_t user_length;
};

// Who asks: by name, or by hash when `userhash` is there.
struct ctl_user_query {
	const uint8_t *user;
	size_t user_length;
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

struct ctl_user_entry {
	const char *name, *password;
};

struct ctl_config_users_options { // all copied; secrets are cleansed at the end
	const char *realm;
	const struct ctl_user_entry *users;
	size_t n_users;
	const char *const *rest_secrets; // at most CTL_USER_KEYS
	size_t n_rest_secrets;
};

// Users of the config and REST secrets. 0, -EINVAL, -E2BIG (too many secrets), -ENOMEM, -EIO.
// End it with its destroy().
int ctl_config_users_create(
	const struct ctl_config_users_options *options, struct ctl_user_store **out);
