// SPDX-License-Identifier: BSD-3-Clause
#include "control/turn/far.h"

#include <stdlib.h>

#include "common/base/hash.h"

#define BUCKETS 4096

// ---- The table. Made with the first connection: most relays never have one.

struct ctl_fars {
	struct ctl_far *by_id[BUCKETS];
	struct ctl_far *by_alloc[BUCKETS];
};

static uint32_t bucket_of_id(const struct ctl_turn *turn, uint32_t id)
{
	return (uint32_t)(tp_siphash(&turn->key, &id, sizeof(id)) % BUCKETS);
}

static bool same(struct tp_alloc_ref a, struct tp_alloc_ref b)
{
	return a.index == b.index && a.generation == b.generation;
}

struct ctl_far *ctl_far_find(const struct ctl_turn *turn, uint32_t id)
{
	struct ctl_far *far = turn->fars ? turn->fars->by_id[bucket_of_id(turn, id)] : NULL;

	while (far && far->id != id)
		far = far->next;
	return far;
}

struct ctl_far *ctl_far_next(
	const struct ctl_turn *turn, struct tp_alloc_ref alloc, const struct ctl_far *after)
{
	struct ctl_far *far;

	if (!turn->fars)
		return NULL;
	far = after ? after->alloc_next : turn->fars->by_alloc[alloc.index % BUCKETS];
	while (far && !same(far->alloc, alloc))
		far = far->alloc_next;
	return far;
}

struct ctl_far *ctl_far_of_peer(
	const struct ctl_turn *turn, struct tp_alloc_ref alloc, const struct tp_addr *peer)
{
	struct ctl_far *far = ctl_far_next(turn, alloc, NULL);

	while (far && !tp_addr_equal(&far->peer, peer))
		far = ctl_far_next(turn, alloc, far);
	return far;
}

uint32_t ctl_far_count(const struct ctl_turn *turn, struct tp_alloc_ref alloc)
{
	uint32_t n = 0;

	for (struct ctl_far *far = NULL; (far = ctl_far_next(turn, alloc, far));)
		n++;
	return n;
}

bool ctl_turn_far_view(const struct ctl_turn *turn, struct tp_alloc_ref alloc, uint32_t i,
	struct ctl_far_view *out)
{
	const struct ctl_far *far = ctl_far_next(turn, alloc, NULL);

	while (far && i-- > 0)
		far = ctl_far_next(turn, alloc, far);
	if (!far)
		return false;
	*out = (struct ctl_far_view){.id = far->id,
		.peer = far->peer,
		.state = far->state == TP_STREAM_FAR_CONNECTING ? "connecting"
			 : far->state == TP_STREAM_FAR_BOUND    ? "bound"
								: "waiting"};
	return true;
}

uint32_t ctl_far_draw(struct ctl_turn *turn)
{
	uint32_t id;

	do {
		if (turn->random.bytes(turn->random.context, &id, sizeof(id)))
			return 0;
	} while (id == 0 || ctl_far_find(turn, id));
	return id;
}

struct ctl_far *ctl_far_add(struct ctl_turn *turn, const struct ctl_far *said)
{
	struct ctl_far *far = malloc(sizeof(*far)), **at;

	if (!turn->fars)
		turn->fars = calloc(1, sizeof(*turn->fars));
	if (!far || !turn->fars) {
		free(far);
		return NULL;
	}
	*far = *said;
	at = &turn->fars->by_id[bucket_of_id(turn, far->id)];
	far->next = *at;
	*at = far;
	at = &turn->fars->by_alloc[far->alloc.index % BUCKETS];
	far->alloc_next = *at;
	*at = far;
	turn->counters.connections++;
	return far;
}

void ctl_far_remove(struct ctl_turn *turn, struct ctl_far *far)
{
	struct ctl_far **at = &turn->fars->by_id[bucket_of_id(turn, far->id)];

	while (*at != far)
		at = &(*at)->next;
	*at = far->next;
	at = &turn->fars->by_alloc[far->alloc.index % BUCKETS];
	while (*at != far)
		at = &(*at)->alloc_next;
	*at = far->alloc_next;
	turn->counters.connections--;
	free(far);
}

void ctl_far_each(
	struct ctl_turn *turn, void (*each)(struct ctl_turn *, struct ctl_far *, void *), void *arg)
{
	for (uint32_t i = 0; turn->fars && i < BUCKETS; i++)
		for (struct ctl_far *far = turn->fars->by_id[i], *next; far; far = next) {
			next = far->next;
			each(turn, far, arg);
		}
}

static void drop(struct ctl_turn *turn, struct ctl_far *far, void *arg)
{
	if (far->connect)
		ctl_transaction_free(far->connect);
	if (far->bind)
		ctl_transaction_free(far->bind);
	ctl_far_remove(turn, far);
}

void ctl_fars_destroy(struct ctl_turn *turn)
{
	ctl_far_each(turn, drop, NULL);
	free(turn->fars);
	turn->fars = NULL;
}
