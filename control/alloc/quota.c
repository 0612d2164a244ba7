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
	for (struct ctl_quota_realm *r = q->realms, *next; r; r = next) {
		next = r->next;
		free(r);
	}
	free(q->buckets);
}

// The tag is no secret and nobody chooses it: the hash of the name alone is keyed.
static struct ctl_quota_user **bucket_of(
	const struct ctl_quota *q, uint64_t tag, const void *name, size_t length)
{
	return &q->buckets[(tp_siphash(&q->key, name, length) ^ tag) & q->mask];
}

static struct ctl_quota_user *find(
	const struct ctl_quota *q, uint64_t tag, const void *name, size_t length)
{
	struct ctl_quota_user *u = *bucket_of(q, tag, name, length);
	while (u &&
		(u->realm->tag != tag || u->length != length || memcmp(u->name, name, length) != 0))
		u = u->next;
	return u;
}

static struct ctl_quota_realm *find_realm(const struct ctl_quota *q, uint64_t tag)
{
	struct ctl_quota_realm *r = q->realms;
	while (r && r->tag != tag)
		r = r->next;
	return r;
}

uint32_t ctl_quota_count(const struct ctl_quota *q, uint64_t tag, const void *name, size_t length)
{
	const struct ctl_quota_user *u = find(q, tag, name, length);
	return u ? u->allocations : 0;
}

uint32_t ctl_quota_count_realm(const struct ctl_quota *q, uint64_t tag)
{
	const struct ctl_quota_realm *r = find_realm(q, tag);
	return r ? r->allocations : 0;
}

static struct ctl_quota_realm *take_realm(struct ctl_quota *q, uint64_t tag)
{
	struct ctl_quota_realm *r = find_realm(q, tag);
	if (!r) {
		r = malloc(sizeof(*r));
		if (!r)
			return NULL;
		*r = (struct ctl_quota_realm){.next = q->realms, .tag = tag};
		q->realms = r;
	}
	r->allocations++;
	return r;
}

static void release_realm(struct ctl_quota *q, struct ctl_quota_realm *realm)
{
	if (--realm->allocations > 0)
		return;
	struct ctl_quota_realm **at = &q->realms;
	while (*at != realm)
		at = &(*at)->next;
	*at = realm->next;
	free(realm);
}

static struct ctl_quota_user *new_user(
	struct ctl_quota *q, struct ctl_quota_realm *realm, const void *name, size_t length)
{
	struct ctl_quota_user *u = malloc(sizeof(*u) + length);
	if (!u)
		return NULL;
	struct ctl_quota_user **bucket = bucket_of(q, realm->tag, name, length);
	*u = (struct ctl_quota_user){.next = *bucket, .realm = realm, .length = (uint32_t)length};
	memcpy(u->name, name, length);
	*bucket = u;
	q->users++;
	return u;
}

struct ctl_quota_user *ctl_quota_take(
	struct ctl_quota *q, uint64_t tag, const void *name, size_t length)
{
	struct ctl_quota_realm *realm = take_realm(q, tag);
	if (!realm)
		return NULL;
	struct ctl_quota_user *u = find(q, tag, name, length);
	if (!u)
		u = new_user(q, realm, name, length);
	if (u)
		u->allocations++;
	else
		release_realm(q, realm);
	return u;
}

void ctl_quota_release(struct ctl_quota *q, struct ctl_quota_user *user)
{
	struct ctl_quota_realm *realm = user->realm;
	if (--user->allocations == 0) {
		struct ctl_quota_user **at = bucket_of(q, realm->tag, user->name, user->length);
		while (*at != user)
			at = &(*at)->next;
		*at = user->next;
		q->users--;
		free(user);
	}
	release_realm(q, realm);
}
