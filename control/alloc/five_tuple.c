// SPDX-License-Identifier: BSD-3-Clause
// The index of live allocations by five-tuple: a keyed hash with chains, since clients choose what
// goes in. An allocation on the move stands in it twice or thrice (RFC 8016); a place says
// which one is meant.
#include "control/alloc/store_private.h"

struct five_tuple {
	uint8_t transport;
	struct tp_addr client;
	const struct tp_addr *listener;
};

// A connection is one whatever it says of its addresses.
static struct five_tuple tuple_of(
	uint8_t transport, const struct tp_addr *client, const struct tp_addr *listener)
{
	static const struct tp_addr any = {.ip.family = TP_FAMILY_STREAM};
	if (client->ip.family == TP_FAMILY_STREAM)
		return (struct five_tuple){0, *client, &any};
	return (struct five_tuple){transport, *client, listener};
}

static uint32_t index_of(const struct ctl_store *s, uint32_t place)
{
	return place % s->alloc_capacity;
}

static uint32_t *next_of(const struct ctl_store *s, uint32_t place)
{
	struct ctl_slot *slot = &s->slots[index_of(s, place)];
	if (place < s->alloc_capacity)
		return &slot->hash_next;
	return place < 2 * s->alloc_capacity ? &slot->move_next : &slot->before_next;
}

static struct five_tuple at_place(const struct ctl_store *s, uint32_t place)
{
	const struct tp_alloc_record *r = &s->allocs[index_of(s, place)];
	struct tp_addr client;
	if (place < s->alloc_capacity) {
		client = ctl_key_of(r);
		return tuple_of(r->transport, &client, &r->listener);
	}
	if (place < 2 * s->alloc_capacity) {
		client = ctl_key_of_move(r);
		return tuple_of(r->move_transport, &client, ctl_move_listener(s, r));
	}
	client = ctl_key_of_before(r);
	return tuple_of(r->before.transport, &client, ctl_before_listener(s, r));
}

static uint32_t *bucket_of(const struct ctl_store *s, const struct five_tuple *t)
{
	uint8_t bytes[2 * sizeof(struct tp_addr) + 1];
	memcpy(bytes, &t->client, sizeof(t->client));
	memcpy(bytes + sizeof(t->client), t->listener, sizeof(*t->listener));
	bytes[2 * sizeof(t->client)] = t->transport;
	return &s->buckets[(uint32_t)tp_siphash(&s->key, bytes, sizeof(bytes)) & s->bucket_mask];
}

uint32_t ctl_index_find(const struct ctl_store *s, uint8_t transport, const struct tp_addr *client,
	const struct tp_addr *listener)
{
	struct five_tuple wanted = tuple_of(transport, client, listener);
	uint32_t place = *bucket_of(s, &wanted);
	for (; place != TP_INDEX_NONE; place = *next_of(s, place)) {
		struct five_tuple t = at_place(s, place);
		if (t.transport == wanted.transport && tp_addr_equal(&t.client, &wanted.client) &&
			tp_addr_equal(t.listener, wanted.listener))
			return index_of(s, place);
	}
	return TP_INDEX_NONE;
}

void ctl_index_insert(struct ctl_store *s, uint32_t place)
{
	struct five_tuple t = at_place(s, place);
	uint32_t *bucket = bucket_of(s, &t);
	*next_of(s, place) = *bucket;
	*bucket = place;
}

void ctl_index_remove(struct ctl_store *s, uint32_t place)
{
	struct five_tuple t = at_place(s, place);
	uint32_t *at = bucket_of(s, &t);
	while (*at != place)
		at = next_of(s, *at);
	*at = *next_of(s, place);
}
