// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>
#include <sys/socket.h>

#include "bench/load/load.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

#define RTO_FIRST_NS (500 * TP_NS_PER_MS)
#define RTO_MAX_NS   (2 * TP_NS_PER_S)
#define GIVE_UP_NS   (90 * TP_NS_PER_S)
#define MAX_TRIES    4

static const uint16_t methods[] = {
	[LOAD_ALLOCATE] = STUN_ALLOCATE,
	[LOAD_BIND] = STUN_CHANNEL_BIND,
	[LOAD_REFRESH] = STUN_REFRESH,
	[LOAD_REBIND] = STUN_CHANNEL_BIND,
};

static void fail(struct load *l, struct load_client *c, const char *what, int code)
{
	l->failures++;
	if (!l->failure[0])
		snprintf(l->failure, sizeof(l->failure), "client %u: %s %s (%d)", c->number,
			stun_method_name(methods[c->state]), what, code);
	c->state = LOAD_IDLE;
	l->outstanding--;
}

static void write_attributes(struct load *l, struct load_client *c, struct stun_writer *w)
{
	switch (c->state) {
	case LOAD_ALLOCATE:
		stun_write_u32(w, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
		if (l->options.peer_address.family == TP_FAMILY_IPV6)
			stun_write_u32(w, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
		break;
	case LOAD_BIND:
	case LOAD_REBIND:
		stun_write_u32(w, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)c->channel << 16);
		stun_write_xor_address(w, STUN_ATTR_XOR_PEER_ADDRESS, &l->peer);
		break;
	case LOAD_REFRESH:
	case LOAD_IDLE:
		break;
	}
}

// Builds the request of the client's state with a fresh transaction id, and sends it.
static void request_send(struct load *l, struct load_client *c, uint64_t now_ns)
{
	struct stun_writer w;

	if (tp_random_bytes(c->transaction, sizeof(c->transaction)) < 0)
		return fail(l, c, "no randomness", 0);
	stun_write_begin(&w, c->request, sizeof(c->request), STUN_REQUEST, methods[c->state],
		c->transaction);
	write_attributes(l, c, &w);
	if (l->have_key) {
		stun_write_attr(&w, STUN_ATTR_USERNAME, l->options.user, strlen(l->options.user));
		stun_write_attr(&w, STUN_ATTR_REALM, l->realm, strlen(l->realm));
		stun_write_attr(&w, STUN_ATTR_NONCE, l->nonce, strlen(l->nonce));
		ctl_integrity_append(l->crypto, &w, l->key.bytes, l->key.length);
	}
	int bytes = stun_write_finish(&w);
	if (bytes < 0)
		return fail(l, c, "does not fit", bytes);
	c->request_bytes = (uint16_t)bytes;
	c->rto_ns = RTO_FIRST_NS;
	c->resend_ns = now_ns + c->rto_ns;
	l->requests++;
	send(c->sock, c->request, c->request_bytes, 0);
}

static void request_begin(
	struct load *l, struct load_client *c, enum load_state state, uint64_t now_ns)
{
	c->state = state;
	c->tries = 0;
	c->give_up_ns = now_ns + GIVE_UP_NS;
	l->outstanding++;
	request_send(l, c, now_ns);
}

void load_session_allocate(struct load *l, struct load_client *c, uint64_t now_ns)
{
	request_begin(l, c, LOAD_ALLOCATE, now_ns);
}

void load_session_refresh(struct load *l, struct load_client *c, uint64_t now_ns)
{
	if (c->state == LOAD_IDLE)
		request_begin(l, c, LOAD_REFRESH, now_ns);
}

static bool copy_text(const struct stun_message *m, uint16_t type, char *out, size_t capacity)
{
	struct stun_attr a;

	if (!stun_find(m, type, &a) || a.length >= capacity)
		return false;
	memcpy(out, a.value, a.length);
	out[a.length] = '\0';
	return true;
}

static void on_error(
	struct load *l, struct load_client *c, const struct stun_message *m, uint64_t now_ns)
{
	struct stun_attr a;
	int code = 0;

	if (stun_find(m, STUN_ATTR_ERROR_CODE, &a) && a.length >= 4)
		code = a.value[2] * 100 + a.value[3];
	if ((code != STUN_ERR_UNAUTHENTICATED && code != STUN_ERR_STALE_NONCE) ||
		++c->tries == MAX_TRIES ||
		!copy_text(m, STUN_ATTR_REALM, l->realm, sizeof(l->realm)) ||
		!copy_text(m, STUN_ATTR_NONCE, l->nonce, sizeof(l->nonce)))
		return fail(l, c, "refused", code);
	if (ctl_crypto_long_term_key(l->crypto, l->options.user, strlen(l->options.user), l->realm,
		    l->options.password, strlen(l->options.password), &l->key) < 0)
		return fail(l, c, "no key", 0);
	l->have_key = true;
	request_send(l, c, now_ns);
}

static void on_success(
	struct load *l, struct load_client *c, const struct stun_message *m, uint64_t now_ns)
{
	enum load_state state = c->state;
	struct stun_attr a;

	if (stun_find(m, STUN_ATTR_LIFETIME, &a) && a.length == 4) {
		c->lifetime_s = tp_rd32(a.value);
		c->refreshed_ns = now_ns;
	}
	if (state == LOAD_ALLOCATE &&
		(!stun_find(m, STUN_ATTR_XOR_RELAYED_ADDRESS, &a) ||
			!stun_read_xor_address(&a, m->transaction_id, &c->relayed)))
		return fail(l, c, "without a relayed address", 0);
	c->state = LOAD_IDLE;
	l->outstanding--;
	if (state == LOAD_ALLOCATE)
		return request_begin(l, c, LOAD_BIND, now_ns);
	if (state == LOAD_REFRESH)
		return request_begin(l, c, LOAD_REBIND, now_ns);
	c->refreshed_ns = now_ns;
	if (!c->bound) {
		c->bound = true;
		l->bound++;
	}
}

void load_session_input(
	struct load *l, struct load_client *c, const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct stun_message m;

	if (stun_read(data, len, &m) != STUN_READ_OK || c->state == LOAD_IDLE ||
		m.method != methods[c->state] ||
		memcmp(m.transaction_id, c->transaction, sizeof(c->transaction)) != 0)
		return; // an answer to an earlier retransmission
	if (m.class == STUN_SUCCESS)
		on_success(l, c, &m, now_ns);
	else if (m.class == STUN_ERROR)
		on_error(l, c, &m, now_ns);
}

void load_session_tick(struct load *l, struct load_client *c, uint64_t now_ns)
{
	if (c->state == LOAD_IDLE || now_ns < c->resend_ns)
		return;
	if (now_ns >= c->give_up_ns)
		return fail(l, c, "unanswered", 0);
	c->rto_ns = c->rto_ns * 2 > RTO_MAX_NS ? RTO_MAX_NS : c->rto_ns * 2;
	c->resend_ns = now_ns + c->rto_ns;
	l->retransmissions++;
	send(c->sock, c->request, c->request_bytes, 0);
}
