// SPDX-License-Identifier: BSD-3-Clause
#include "control/turn/replay.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "control/turn/turn_private.h"

#define NONE UINT32_MAX

int ctl_replay_init(struct ctl_replay *r, uint32_t slots, const struct tp_siphash_key *key)
{
	uint32_t buckets = 1;
	while (buckets < slots)
		buckets *= 2;
	*r = (struct ctl_replay){.slots = slots, .mask = buckets - 1, .hash_key = *key};
	r->entry = calloc(slots, sizeof(*r->entry));
	r->bucket = malloc(buckets * sizeof(*r->bucket));
	if (!r->entry || !r->bucket)
		return -ENOMEM;
	memset(r->bucket, 0xff, buckets * sizeof(*r->bucket));
	return 0;
}

static void forget_oldest(struct ctl_replay *r)
{
	struct ctl_replay_entry *e = &r->entry[r->head];
	uint32_t *at = &r->bucket[e->key.hash & r->mask];
	while (*at != r->head)
		at = &r->entry[*at].next;
	*at = e->next;
	free(e->response);
	e->response = NULL;
	r->head = (r->head + 1) % r->slots;
	r->count--;
}

void ctl_replay_fini(struct ctl_replay *r)
{
	while (r->count > 0)
		forget_oldest(r);
	free(r->entry);
	free(r->bucket);
}

struct ctl_replay_key ctl_replay_key_of(const struct ctl_replay *r, const struct ctl_request *q)
{
	// Addresses first: their length is fixed, so no two requests share a concatenation.
	uint8_t bytes[2 * sizeof(struct tp_addr) + 1 + CTL_REQUEST_MAX_BYTES];
	struct tp_addr client = ctl_request_key(q);
	size_t at = sizeof(client);
	memcpy(bytes, &client, sizeof(client));
	memcpy(bytes + at, &q->listener, sizeof(q->listener));
	at += sizeof(q->listener);
	bytes[at++] = q->transport;
	memcpy(bytes + at, q->bytes, q->length);
	struct ctl_replay_key key = {.hash = tp_siphash(&r->hash_key, bytes, at + q->length)};
	memcpy(key.transaction_id, q->bytes + STUN_HEADER_BYTES - STUN_TRANSACTION_ID_BYTES,
		sizeof(key.transaction_id));
	return key;
}

const struct ctl_replay_entry *ctl_replay_find(
	const struct ctl_replay *r, const struct ctl_replay_key *key, uint64_t now_ns)
{
	uint32_t i = r->bucket[key->hash & r->mask];
	for (; i != NONE; i = r->entry[i].next) {
		const struct ctl_replay_entry *e = &r->entry[i];
		if (e->key.hash == key->hash && e->expires_ns > now_ns &&
			memcmp(e->key.transaction_id, key->transaction_id,
				sizeof(key->transaction_id)) == 0)
			return e;
	}
	return NULL;
}

void ctl_replay_add(struct ctl_replay *r, const struct ctl_replay_key *key, const uint8_t *response,
	size_t length, uint64_t now_ns)
{
	uint8_t *copy = malloc(length);
	if (!copy)
		return;
	memcpy(copy, response, length);
	if (r->count == r->slots)
		forget_oldest(r);
	uint32_t at = (r->head + r->count++) % r->slots;
	uint32_t *bucket = &r->bucket[key->hash & r->mask];
	r->entry[at] = (struct ctl_replay_entry){.key = *key,
		.next = *bucket,
		.length = (uint32_t)length,
		.expires_ns = now_ns + CTL_REPLAY_SECONDS * TP_NS_PER_S,
		.response = copy};
	*bucket = at;
}

void ctl_replay_expire(struct ctl_replay *r, uint64_t now_ns)
{
	while (r->count > 0 && r->entry[r->head].expires_ns <= now_ns)
		forget_oldest(r);
}

void ctl_turn_memory(const struct ctl_turn *turn, struct tp_memory *out)
{
	const struct ctl_replay *r = &turn->replay;

	tp_memory_block(
		out, TP_MEMORY_replay, TP_MEMORY_heap, r->entry, r->slots * sizeof(*r->entry));
	tp_memory_block(out, TP_MEMORY_replay, TP_MEMORY_heap, r->bucket,
		((size_t)r->mask + 1) * sizeof(*r->bucket));
}
