// SPDX-License-Identifier: BSD-3-Clause
// The rate of an allocation's bound connections (quotas.bits_per_second_per_allocation): those in
// this process share it. What is too fast is not read, so TCP slows its source down.
#include <stdlib.h>

#include "control/stream/stream.h"

#define HOLD_NS (10 * TP_NS_PER_MS) // a part of STREAM_RATE_DEPTH_NS, so no rate is lost by it

struct stream_share {
	struct stream_share *next; // of its bucket
	struct tp_stream_client owner;
	uint32_t users;
	struct stream_rate up, down;
};

static struct stream_share **find(struct stream *s, struct tp_stream_client owner)
{
	struct stream_share **at = &s->relays.share[owner.connection % STREAM_SHARE_BUCKETS];

	while (*at && ((*at)->owner.stream != owner.stream ||
			      (*at)->owner.connection != owner.connection))
		at = &(*at)->next;
	return at;
}

static void set_rate(struct stream_share *share, uint64_t bytes_per_s)
{
	stream_rate_set(&share->up, bytes_per_s);
	stream_rate_set(&share->down, bytes_per_s);
}

bool stream_relay_share(struct stream *s, struct stream_relay *r)
{
	struct stream_share **at = find(s, r->owner);

	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at)
			return false;
		(*at)->owner = r->owner;
	}
	r->share = *at;
	r->share->users++;
	set_rate(r->share, r->rate_bytes_per_s);
	r->up.rate = &r->share->up;
	r->down.rate = &r->share->down;
	return true;
}

void stream_relays_rate(struct stream *s, uint64_t bytes_per_s)
{
	for (size_t i = 0; i < STREAM_SHARE_BUCKETS; i++)
		for (struct stream_share *share = s->relays.share[i]; share; share = share->next)
			set_rate(share, bytes_per_s);
}

void stream_relay_leave(struct stream *s, struct stream_relay *r)
{
	struct stream_share *share = r->share, **at;

	stream_list_remove(&r->hold);
	r->share = NULL;
	r->up.rate = r->down.rate = NULL;
	if (!share || --share->users > 0)
		return;
	at = find(s, share->owner);
	*at = share->next;
	free(share);
}

void stream_relay_hold(struct stream *s, struct stream_relay *r)
{
	if (stream_linked(&r->hold))
		return;
	r->held_ns = s->now_ns;
	stream_list_add(&s->relays.held, &r->hold);
	stream_count(s, STREAM_COUNT_relay_held, 1);
}

uint64_t stream_relays_release(struct stream *s)
{
	struct stream_link *link;

	while ((link = stream_list_first(&s->relays.held))) {
		struct stream_relay *r = STREAM_OF(link, struct stream_relay, hold);

		if (r->held_ns + HOLD_NS > s->now_ns)
			return r->held_ns + HOLD_NS;
		stream_list_remove(&r->hold);
		stream_relay_pump(s, r);
	}
	return UINT64_MAX;
}
