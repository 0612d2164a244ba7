// SPDX-License-Identifier: BSD-3-Clause
// Relay ports reserved by EVEN-PORT with the R bit (RFC 8656 section 7.2). They live in private
// memory only: after a restart of control their tokens are unknown (508) and the ports are free.
#include <errno.h>

#include "common/base/clock.h"
#include "control/alloc/store_private.h"

static uint64_t hash_user(
	const struct ctl_store *s, uint16_t realm, const void *user, size_t user_length)
{
	return tp_siphash(&s->key, user, user_length) ^ ctl_tag_of(s, realm);
}

uint32_t ctl_reservation_count(
	const struct ctl_store *s, uint16_t realm, const void *user, size_t user_length)
{
	uint64_t hash = hash_user(s, realm, user, user_length);
	uint32_t n = 0;
	for (uint32_t i = 0; i < CTL_RESERVATIONS; i++)
		n += s->reservations[i].used && s->reservations[i].user == hash;
	return n;
}

int ctl_reservation_make(struct ctl_store *s, struct ctl_relay_port port, struct tp_alloc_ref maker,
	const struct ctl_allocation_request *q, struct ctl_time now,
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES])
{
	for (uint32_t i = 0; i < CTL_RESERVATIONS; i++) {
		struct ctl_reservation *r = &s->reservations[i];
		if (r->used)
			continue;
		int rc = ctl_draw_bytes(&s->draw, r->token, sizeof(r->token));
		if (rc)
			return rc;
		r->used = true;
		r->port = port;
		r->maker = maker;
		r->user = hash_user(s, q->realm, q->user, q->user_length);
		memcpy(token, r->token, sizeof(r->token));
		ctl_heap_set(&s->expiry, ctl_heap_of_reservation(s, i),
			now.now_ns + CTL_RESERVATION_S * TP_NS_PER_S);
		return 0;
	}
	return -ENOSPC;
}

// A token is all that its bearer has to show: how much of a guess is right must not be seen.
static bool same_token(
	const uint8_t a[CTL_RESERVATION_TOKEN_BYTES], const uint8_t b[CTL_RESERVATION_TOKEN_BYTES])
{
	uint8_t difference = 0;
	for (size_t i = 0; i < CTL_RESERVATION_TOKEN_BYTES; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

struct ctl_relay_port ctl_reservation_take(
	struct ctl_store *s, const uint8_t token[CTL_RESERVATION_TOKEN_BYTES])
{
	for (uint32_t i = 0; i < CTL_RESERVATIONS; i++) {
		struct ctl_reservation *r = &s->reservations[i];
		if (!r->used || !same_token(r->token, token))
			continue;
		r->used = false;
		ctl_heap_remove(&s->expiry, ctl_heap_of_reservation(s, i));
		return r->port;
	}
	return CTL_RELAY_NONE;
}

void ctl_reservation_drop(struct ctl_store *s, uint32_t reservation)
{
	struct ctl_reservation *r = &s->reservations[reservation];
	if (!r->used)
		return;
	r->used = false;
	ctl_heap_remove(&s->expiry, ctl_heap_of_reservation(s, reservation));
	ctl_relays_release(&s->relays, r->port);
}

void ctl_reservation_drop_of(struct ctl_store *s, struct tp_alloc_ref maker)
{
	for (uint32_t i = 0; i < CTL_RESERVATIONS; i++)
		if (s->reservations[i].used && s->reservations[i].maker.index == maker.index &&
			s->reservations[i].maker.generation == maker.generation)
			ctl_reservation_drop(s, i);
}
