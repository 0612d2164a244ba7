// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/limit.h"

#include <errno.h>
#include <stdlib.h>

#define IPV6_SOURCE_BYTES 8

int stream_limit_init(struct stream_limit *l, uint32_t connections)
{
	uint32_t places = 16;

	while (places / 2 < connections)
		places *= 2;
	l->entries = calloc(places, sizeof(*l->entries));
	l->mask = places - 1;
	return l->entries ? tp_random_bytes(&l->key, sizeof(l->key)) : -ENOMEM;
}

void stream_limit_fini(struct stream_limit *l)
{
	free(l->entries);
	l->entries = NULL;
}

static struct tp_ip source_of(const struct tp_ip *client)
{
	struct tp_ip source = *client;

	if (source.family == TP_FAMILY_IPV6)
		memset(source.bytes + IPV6_SOURCE_BYTES, 0,
			sizeof(source.bytes) - IPV6_SOURCE_BYTES);
	return source;
}

static uint32_t home(const struct stream_limit *l, const struct tp_ip *source)
{
	return (uint32_t)tp_siphash(&l->key, source, sizeof(*source)) & l->mask;
}

// The entry of that source, or the free one where it belongs. Half of the table is always free.
static uint32_t find(const struct stream_limit *l, const struct tp_ip *source)
{
	uint32_t at = home(l, source);

	while (l->entries[at].count > 0 && !tp_ip_equal(&l->entries[at].source, source))
		at = (at + 1) & l->mask;
	return at;
}

bool stream_limit_take(struct stream_limit *l, const struct tp_ip *client, uint32_t most)
{
	struct tp_ip source = source_of(client);
	struct stream_limit_entry *e = &l->entries[find(l, &source)];

	if (e->count >= most)
		return false;
	e->source = source;
	e->count++;
	return true;
}

// Moves up what was put behind an entry that is free now, or it would not be found any more.
static void close_gap(struct stream_limit *l, uint32_t gap)
{
	for (uint32_t at = (gap + 1) & l->mask; l->entries[at].count > 0; at = (at + 1) & l->mask) {
		uint32_t from = home(l, &l->entries[at].source);

		if (((at - from) & l->mask) < ((at - gap) & l->mask))
			continue;
		l->entries[gap] = l->entries[at];
		l->entries[at] = (struct stream_limit_entry){0};
		gap = at;
	}
}

void stream_limit_give(struct stream_limit *l, const struct tp_ip *client)
{
	struct tp_ip source = source_of(client);
	uint32_t at = find(l, &source);

	if (l->entries[at].count == 0 || --l->entries[at].count > 0)
		return;
	l->entries[at] = (struct stream_limit_entry){0};
	close_gap(l, at);
}
