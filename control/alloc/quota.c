// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/quota.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ctl_quota_init(struct ctl_quota *q, uint32_t expected, const struct tp_siphash_key *key)
{
	uint32_t buckets = 64;
	while (buckets < expected && buckets < (1u << 20))
		buckets *= 2;
	*q = (struct ctl_quota){.mask = buckets - 1, .key = *key};
	q->buckets = calloc(buckets, sizeof(*q->buckets));
	return q->buckets ? 0 : -ENOMEM;
}

void ctl_quota_fini(struct ctl_quota *q)
{
	if (!q->buckets)
		return;
	for (uint32_t i = 0; i <= q->mask; i++)
		for (struct ctl_quota_user *u = q->buckets[i], *next; u; u = next) {
			next = u->next;
			free(u);
		}
	free(q->buckets);
}

static struct ctl_quota_user **bucket_of(const struct ctl_quota *q, const void *name, size_t length)
{
	return &q->buckets[tp_siphash(&q->key, name, length) & q->mask];
}

static struct ctl_quota_user *find(const struct ctl_quota *q, const void *name, size_t length)
{
	struct ctl_quota_user *u = *bucket_of(q, name, length);
	while (u && (u->length != length || memcmp(u->name, name, length) != 0))
		u = u->next;
	return u;
}

uint32_t ctl_quota_count(const struct ctl_quota *q, const void *name, size_t length)
{
	const struct ctl_quota_user *u = find(q, name, length);
	return u ? u->allocations : 0;
}

struct ctl_quota_user *ctl_quota_take(struct ctl_quota *q, const void *name, size_t length)
{
	struct ctl_quota_user *u = find(q, name, length);
	if (!u) {
		u = malloc(sizeof(*u) + length);
		if (!u)
			return NULL;
		struct ctl_quota_user **bucket = bucket_of(q, name, length);
		*u = (struct ctl_quota_user){.next = *bucket, .length = (uint32_t)length};
		memcpy(u->name, name, length);
		*bucket = u;
		q->users++;
	}
	u->allocations++;
	return u;
}

void ctl_quota_release(struct ctl_quota *q, struct ctl_quota_user *user)
{
	if (--user->allocations > 0)
		return;
	struct ctl_quota_user **at = bucket_of(q, user->name, user->length);
	while (*at != user)
		at = &(*at)->next;
	*at = user->next;
	q->users--;
	free(user);
}
