// SPDX-License-Identifier: BSD-3-Clause
// The index of live allocations by five-tuple: a keyed hash with chains, since clients choose what
// goes in.
#include "control/alloc/store_private.h"

static uint32_t bucket_of(const struct ctl_store *s, uint8_t transport,
	const struct tp_addr *client, const struct tp_addr *listener)
{
	uint8_t bytes[2 * sizeof(struct tp_addr) + 1];
	memcpy(bytes, client, sizeof(*client));
	memcpy(bytes + sizeof(*client), listener, sizeof(*listener));
	bytes[2 * sizeof(*client)] = transport;
	return (uint32_t)tp_siphash(&s->key, bytes, sizeof(bytes)) & s->bucket_mask;
}

uint32_t ctl_index_find(const struct ctl_store *s, uint8_t transport, const struct tp_addr *client,
	const struct tp_addr *listener)
{
	uint32_t i = s->buckets[bucket_of(s, transport, client, listener)];
	for (; i != TP_INDEX_NONE; i = s->slots[i].hash_next) {
		const struct tp_alloc_record *r = &s->allocs[i];
		if (r->transport == transport && tp_addr_equal(&r->client, client) &&
			tp_addr_equal(&r->listener, listener))
			break;
	}
	return i;
}

void ctl_index_insert(struct ctl_store *s, uint32_t index)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	uint32_t *bucket = &s->buckets[bucket_of(s, r->transport, &r->client, &r->listener)];
	s->slots[index].hash_next = *bucket;
	*bucket = index;
}

void ctl_index_remove(struct ctl_store *s, uint32_t index)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	uint32_t *at = &s->buckets[bucket_of(s, r->transport, &r->client, &r->listener)];
	while (*at != index)
		at = &s->slots[*at].hash_next;
	*at = s->slots[index].hash_next;
}
