// SPDX-License-Identifier: BSD-3-Clause
// How many allocations each user and each realm has: an entry while there is at least one. Realms
// are few, known by tag (store.h); a user is a name in a realm.
#pragma once

#include <stddef.h>

#include "common/base/hash.h"

struct ctl_quota_realm {
	struct ctl_quota_realm *next;
	uint64_t tag;
	uint32_t allocations;
};

struct ctl_quota_user {
	struct ctl_quota_user *next; // of the bucket
	struct ctl_quota_realm *realm;
	uint32_t allocations;
	uint32_t length;
	uint8_t name[];
};

struct ctl_quota {
	struct ctl_quota_user **buckets;
	uint32_t mask;
	uint32_t users;
	struct ctl_quota_realm *realms;
	struct tp_siphash_key key;
};

// `expected` users. 0, -ENOMEM.
int ctl_quota_init(struct ctl_quota *q, uint32_t expected, const struct tp_siphash_key *key);
void ctl_quota_fini(struct ctl_quota *q);

uint32_t ctl_quota_count(
	const struct ctl_quota *q, uint64_t realm_tag, const void *name, size_t length);
uint32_t ctl_quota_count_realm(const struct ctl_quota *q, uint64_t realm_tag);
// One more allocation; the entry, or NULL without memory.
struct ctl_quota_user *ctl_quota_take(
	struct ctl_quota *q, uint64_t realm_tag, const void *name, size_t length);
// One less; the entry is freed with the last.
void ctl_quota_release(struct ctl_quota *q, struct ctl_quota_user *user);
