// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>

#include "bench/stream/streams.h"
#include "bench/text.h"
#include "common/base/hash.h"
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

#define MAX_TRIES 4

static const uint16_t methods[] = {
	[STREAMS_BINDING] = STUN_BINDING,
	[STREAMS_ALLOCATE] = STUN_ALLOCATE,
	[STREAMS_BIND] = STUN_CHANNEL_BIND,
};

static void fail(struct streams *s, struct streams_client *c, const char *what, int code)
{
	streams_fail(s, c, what, code);
	streams_close(s, c);
}

static void write_attributes(struct streams *s, struct streams_client *c, struct stun_writer *w)
{
	if (c->state == STREAMS_ALLOCATE) {
		stun_write_u32(w, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
		if (s->options.peer_address.family == TP_FAMILY_IPV6)
			stun_write_u32(w, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
	} else if (c->state == STREAMS_BIND) {
		stun_write_u32(w, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)c->channel << 16);
		stun_write_xor_address(w, STUN_ATTR_XOR_PEER_ADDRESS, &s->peer);
	}
}

static void write_credentials(struct streams *s, struct stun_writer *w)
{
	stun_write_attr(w, STUN_ATTR_USERNAME, s->options.user, strlen(s->options.user));
	stun_write_attr(w, STUN_ATTR_REALM, s->realm, strlen(s->realm));
	stun_write_attr(w, STUN_ATTR_NONCE, s->nonce, strlen(s->nonce));
	ctl_integrity_append(s->crypto, w, s->key.bytes, s->key.length);
}

void streams_request(struct streams *s, struct streams_client *c, enum streams_state state)
{
	uint8_t request[768];
	struct stun_writer w;

	c->state = state;
	if (tp_random_bytes(c->transaction, sizeof(c->transaction)) < 0)
		return fail(s, c, "no randomness", 0);
	stun_write_begin(
		&w, request, sizeof(request), STUN_REQUEST, methods[state], c->transaction);
	write_attributes(s, c, &w);
	if (state != STREAMS_BINDING && s->have_key)
		write_credentials(s, &w);
	int bytes = stun_write_finish(&w);
	if (bytes < 0)
		return fail(s, c, "request does not fit", bytes);
	streams_send(c, request, (size_t)bytes);
	streams_flush(s, c);
}

static void on_error(struct streams *s, struct streams_client *c, const struct stun_message *m)
{
	const struct streams_options *o = &s->options;
	struct stun_attr a;
	int code = 0;

	if (stun_find(m, STUN_ATTR_ERROR_CODE, &a) && a.length >= 4)
		code = a.value[2] * 100 + a.value[3];
	if ((code != STUN_ERR_UNAUTHENTICATED && code != STUN_ERR_STALE_NONCE) ||
		++c->tries == MAX_TRIES ||
		!bench_copy_text(m, STUN_ATTR_REALM, s->realm, sizeof(s->realm)) ||
		!bench_copy_text(m, STUN_ATTR_NONCE, s->nonce, sizeof(s->nonce)))
		return fail(s, c, "refused", code);
	if (ctl_crypto_long_term_key(s->crypto, o->user, strlen(o->user), s->realm, o->password,
		    strlen(o->password), &s->key) < 0)
		return fail(s, c, "no key", 0);
	s->have_key = true;
	streams_request(s, c, c->state);
}

void streams_answer(
	struct streams *s, struct streams_client *c, const uint8_t *bytes, size_t length)
{
	struct stun_message m;
	struct stun_attr a;

	if (stun_read(bytes, length, &m) != STUN_READ_OK ||
		memcmp(m.transaction_id, c->transaction, sizeof(c->transaction)) != 0)
		return fail(s, c, "answered with what is no answer", 0);
	if (m.class != STUN_SUCCESS)
		return on_error(s, c, &m);
	if (c->state == STREAMS_ALLOCATE) {
		if (!stun_find(&m, STUN_ATTR_XOR_RELAYED_ADDRESS, &a) ||
			!stun_read_xor_address(&a, m.transaction_id, &c->relayed))
			return fail(s, c, "no relayed address", 0);
		streams_request(s, c, STREAMS_BIND);
		return;
	}
	c->state = STREAMS_OPEN;
	s->open++;
}
