// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>
#include <sys/socket.h>

#include "bench/load/load.h"
#include "bench/text.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

#define RTO_FIRST_NS   (500 * TP_NS_PER_MS)
#define RTO_MAX_NS     (2 * TP_NS_PER_S)
#define GIVE_UP_NS     (90 * TP_NS_PER_S)
#define MAX_MISMATCHES 8
#define MAX_TRIES      4

static const uint16_t methods[] = {
	[LOAD_ALLOCATE] = STUN_ALLOCATE,
	[LOAD_BIND] = STUN_CHANNEL_BIND,
	[LOAD_REFRESH] = STUN_REFRESH,
	[LOAD_REBIND] = STUN_CHANNEL_BIND,
	[LOAD_PERMIT] = STUN_CREATE_PERMISSION,
	[LOAD_END] = STUN_REFRESH,
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
	case LOAD_PERMIT:
		stun_write_xor_address(w, STUN_ATTR_XOR_PEER_ADDRESS, &l->peer);
		break;
	case LOAD_END:
		stun_write_u32(w, STUN_ATTR_LIFETIME, 0);
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
	if (c->authenticated) {
		stun_write_attr(&w, STUN_ATTR_USERNAME, l->options.user, strlen(l->options.user));
		stun_write_attr(&w, STUN_ATTR_REALM, l->realm, strlen(l->realm));
		stun_write_attr(&w, STUN_ATTR_NONCE, c->nonce, strlen(c->nonce));
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
	c->began_ns = now_ns;
	c->authenticated = false;
	c->mismatches = 0;
	request_begin(l, c, LOAD_ALLOCATE, now_ns);
}

void load_session_refresh(struct load *l, struct load_client *c, uint64_t now_ns)
{
	if (c->state == LOAD_IDLE)
		request_begin(l, c, LOAD_REFRESH, now_ns);
}

void load_session_end(struct load *l, struct load_client *c, uint64_t now_ns)
{
	if (c->state == LOAD_IDLE)
		request_begin(l, c, LOAD_END, now_ns);
}

// The key is the same for all clients, as long as the realm is.
static bool take_challenge(struct load *l, struct load_client *c, const struct stun_message *m)
{
	char realm[STUN_REALM_MAX_BYTES + 1];

	if (!bench_copy_text(m, STUN_ATTR_REALM, realm, sizeof(realm)) ||
		!bench_copy_text(m, STUN_ATTR_NONCE, c->nonce, sizeof(c->nonce)))
		return false;
	c->authenticated = true;
	if (l->have_key && strcmp(realm, l->realm) == 0)
		return true;
	memcpy(l->realm, realm, sizeof(realm));
	l->have_key =
		ctl_crypto_long_term_key(l->crypto, l->options.user, strlen(l->options.user),
			l->realm, l->options.password, strlen(l->options.password), &l->key) == 0;
	return l->have_key;
}

static void on_error(
	struct load *l, struct load_client *c, const struct stun_message *m, uint64_t now_ns)
{
	struct stun_attr a;
	int code = 0;

	if (stun_find(m, STUN_ATTR_ERROR_CODE, &a) && a.length >= 4)
		code = a.value[2] * 100 + a.value[3];
	// Somebody had the five-tuple lately (coturn remembers it for a while): another one.
	if (code == STUN_ERR_ALLOCATION_MISMATCH && c->state == LOAD_ALLOCATE &&
		++c->mismatches < MAX_MISMATCHES && load_client_open(l, c) == 0) {
		c->authenticated = false;
		c->tries = 0;
		return request_send(l, c, now_ns);
	}
	if ((code != STUN_ERR_UNAUTHENTICATED && code != STUN_ERR_STALE_NONCE) ||
		++c->tries == MAX_TRIES || !take_challenge(l, c, m))
		return fail(l, c, "refused", code);
	request_send(l, c, now_ns);
}

// What follows a success in its state; LOAD_IDLE: nothing, the client has what it wanted.
static enum load_state next_state(enum load_test test, enum load_state state)
{
	bool cycles = test == LOAD_CYCLES;

	switch (state) {
	case LOAD_ALLOCATE:
		return test == LOAD_ALLOCATIONS ? LOAD_IDLE : cycles ? LOAD_PERMIT : LOAD_BIND;
	case LOAD_PERMIT:
		return LOAD_BIND;
	case LOAD_BIND:
		return cycles ? LOAD_END : LOAD_IDLE;
	case LOAD_REFRESH:
		return LOAD_REBIND;
	case LOAD_REBIND:
	case LOAD_END:
	case LOAD_IDLE:
		break;
	}
	return LOAD_IDLE;
}

// The client is through with its requests, `state` was the last one's.
static void complete(struct load *l, struct load_client *c, enum load_state state, uint64_t now_ns)
{
	if (state == LOAD_REBIND || (state == LOAD_END && l->options.test != LOAD_CYCLES))
		return;
	l->done++;
	load_histogram_add(&l->setup, now_ns - c->began_ns);
	if (state == LOAD_END) {
		l->ready[l->idle++] = c->number;
		return;
	}
	c->bound = true;
	l->bound++;
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
	enum load_state next = next_state(l->options.test, state);
	if (next != LOAD_IDLE)
		return request_begin(l, c, next, now_ns);
	c->refreshed_ns = now_ns;
	complete(l, c, state, now_ns);
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
