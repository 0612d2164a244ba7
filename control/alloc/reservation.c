// SPDX-License-Identifier: BSD-3-Clause
// Relay ports reserved by EVEN-PORT with the R bit (RFC 8656 section 7.2). The record of who made a
// reservation tells of it as long as it lives or rests, so that a restart of control neither gives
// the port away nor changes the token.
#include <errno.h>

#include "common/base/bytes.h"
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

// The record of who made a reservation, unless it serves somebody else by now.
static struct tp_alloc_record *maker_of(struct ctl_store *s, const struct ctl_reservation *r)
{
	struct tp_alloc_record *at = &s->allocs[r->maker.index];
	return at->state != TP_RECORD_FREE && at->self.generation == r->maker.generation ? at
											 : NULL;
}

// The next control must not find what was taken, or never came to be.
static void forget(struct ctl_store *s, const struct ctl_reservation *r)
{
	struct tp_alloc_record *at = maker_of(s, r);
	if (!at)
		return;
	ctl_record_begin(s, at);
	at->reservation_deadline_ns = 0;
	ctl_record_end(s, at);
}

void ctl_reservation_note(struct tp_alloc_record *r,
	const uint8_t token[CTL_RESERVATION_TOKEN_BYTES], struct ctl_time now)
{
	r->reservation = token != NULL;
	r->reservation_deadline_ns = token ? now.now_ns + CTL_RESERVATION_S * TP_NS_PER_S : 0;
	if (token)
		memcpy(r->reservation_token, token, sizeof(r->reservation_token));
	else
		memset(r->reservation_token, 0, sizeof(r->reservation_token));
}

// All places are looked at in full: the time does not tell how much of a token was right.
static struct ctl_reservation *find_token(
	struct ctl_store *s, const uint8_t token[CTL_RESERVATION_TOKEN_BYTES])
{
	struct ctl_reservation *found = NULL;
	for (uint32_t i = 0; i < CTL_RESERVATIONS; i++) {
		struct ctl_reservation *r = &s->reservations[i];
		if (tp_equal_secret(r->token, token, sizeof(r->token)) && r->used)
			found = r;
	}
	return found;
}

struct ctl_relay_port ctl_reservation_take(
	struct ctl_store *s, const uint8_t token[CTL_RESERVATION_TOKEN_BYTES])
{
	struct ctl_reservation *r = find_token(s, token);
	if (!r)
		return CTL_RELAY_NONE;
	uint32_t i = (uint32_t)(r - s->reservations);
	r->used = false;
	forget(s, r);
	ctl_heap_remove(&s->expiry, ctl_heap_of_reservation(s, i));
	return r->port;
}

void ctl_reservation_adopt(struct ctl_store *s, uint32_t index, struct ctl_time now)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	uint64_t deadline_ns = r->reservation_deadline_ns;
	if (r->reservation != 1 || deadline_ns <= now.now_ns ||
		deadline_ns - now.now_ns > CTL_RESERVATION_S * TP_NS_PER_S ||
		r->relay[0].ip.family == TP_FAMILY_NONE || r->relay[0].port == UINT16_MAX ||
		find_token(s, r->reservation_token))
		return;
	uint32_t i = 0;
	while (i < CTL_RESERVATIONS && s->reservations[i].used)
		i++;
	if (i == CTL_RESERVATIONS)
		return;
	struct tp_addr place = r->relay[0];
	place.port++;
	bool taken;
	struct ctl_relay_port port = ctl_relays_mark(&s->relays, &place, &taken);
	if (port.address == TP_INDEX_NONE)
		return;
	uint8_t user[CTL_USER_MAX_BYTES];
	s->reservations[i] = (struct ctl_reservation){.used = true,
		.port = port,
		.maker = r->self,
		.user = hash_user(
			s, ctl_allocation_realm(s, r), user, ctl_allocation_user(s, r, user))};
	memcpy(s->reservations[i].token, r->reservation_token, sizeof(r->reservation_token));
	ctl_heap_set(&s->expiry, ctl_heap_of_reservation(s, i), deadline_ns);
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
			s->reservations[i].maker.generation == maker.generation) {
			forget(s, &s->reservations[i]);
			ctl_reservation_drop(s, i);
		}
}
