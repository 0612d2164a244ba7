// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/cycles/cycles.h"
#include "bench/load/load.h"
#include "bench/text.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

#define RTO_FIRST_NS (250 * TP_NS_PER_MS)
#define RTO_MAX_NS   (2 * TP_NS_PER_S)
#define GIVE_UP_NS   (120 * TP_NS_PER_S)
#define CHANNEL      0x4000
// Longer than a busy machine lets a cycle take; one that expires has what the server gives.
#define LIFETIME_S 60

static const struct {
	uint16_t method;
	int code; // 0: success
} steps[CYCLE_STEPS] = {
	[CYCLE_ASK] = {STUN_ALLOCATE, 401},
	[CYCLE_WRONG] = {STUN_ALLOCATE, 401},
	[CYCLE_QUOTA] = {STUN_ALLOCATE, 486},
	[CYCLE_TRANSPORT] = {STUN_ALLOCATE, 442},
	[CYCLE_NOTHING] = {STUN_REFRESH, 437},
	[CYCLE_ALLOCATE] = {STUN_ALLOCATE, 0},
	[CYCLE_TWICE] = {STUN_ALLOCATE, 437},
	[CYCLE_PERMIT] = {STUN_CREATE_PERMISSION, 0},
	[CYCLE_BIND] = {STUN_CHANNEL_BIND, 0},
	[CYCLE_FREE] = {STUN_REFRESH, 0},
};

#define ASK   CYCLE_ASK
#define WHOLE CYCLE_ALLOCATE, CYCLE_PERMIT, CYCLE_BIND, CYCLE_ECHO
#define STEPS 8

static const struct {
	const char *name;
	uint32_t one_in; // of the cycles, 0: what is left
	uint8_t step[STEPS];
} ways[CYCLE_WAYS] = {
	[CYCLE_PLAIN] = {"plain", 0, {ASK, WHOLE, CYCLE_FREE}},
	[CYCLE_WRONG_PASSWORD] = {"wrong_password", 16, {ASK, CYCLE_WRONG, WHOLE, CYCLE_FREE}},
	[CYCLE_QUOTA_USED_UP] = {"quota_used_up", 16, {ASK, CYCLE_QUOTA, WHOLE, CYCLE_FREE}},
	[CYCLE_WRONG_TRANSPORT] = {"wrong_transport", 16,
		{ASK, CYCLE_TRANSPORT, WHOLE, CYCLE_FREE}},
	[CYCLE_NO_ALLOCATION] = {"no_allocation", 16, {ASK, CYCLE_NOTHING, WHOLE, CYCLE_FREE}},
	[CYCLE_SECOND_ALLOCATE] = {"second_allocate", 16, {ASK, WHOLE, CYCLE_TWICE, CYCLE_FREE}},
	[CYCLE_EXPIRES] = {"expires", 256, {ASK, WHOLE, CYCLE_LEAVE}},
};

const char *cycle_way_name(enum cycle_way way)
{
	return ways[way].name;
}

static enum cycle_step step_of(const struct cycle *p)
{
	return ways[p->way].step[p->at];
}

// By number, so that every run takes the same.
static enum cycle_way choose(const struct cycles *c, uint64_t number)
{
	for (int w = CYCLE_PLAIN + 1; w < CYCLE_WAYS; w++)
		if (number % ways[w].one_in == (uint64_t)w &&
			(w != CYCLE_QUOTA_USED_UP || c->options.quota_user))
			return (enum cycle_way)w;
	return CYCLE_PLAIN;
}

static int renew_socket(struct cycles *c, struct cycle *p)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(p - c->cycle)};
	struct sockaddr_storage sa;
	socklen_t length = (socklen_t)tp_addr_to_sockaddr(&c->options.server, &sa);

	if (p->sock >= 0)
		close(p->sock);
	p->fresh = true;
	p->sock = load_socket(c->options.client_namespace, &c->options.client_address, 0);
	if (p->sock < 0)
		return p->sock;
	if (connect(p->sock, (struct sockaddr *)&sa, length) < 0 ||
		epoll_ctl(c->epoll, EPOLL_CTL_ADD, p->sock, &event) < 0)
		return -errno;
	return 0;
}

static void attributes(struct cycles *c, const struct cycle *p, struct stun_writer *w)
{
	switch (step_of(p)) {
	case CYCLE_TRANSPORT:
		stun_write_u32(w, STUN_ATTR_REQUESTED_TRANSPORT, 132u << 24);
		break;
	case CYCLE_NOTHING:
	case CYCLE_FREE:
		stun_write_u32(w, STUN_ATTR_LIFETIME, 0);
		break;
	case CYCLE_BIND:
		stun_write_u32(w, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)CHANNEL << 16);
		stun_write_xor_address(w, STUN_ATTR_XOR_PEER_ADDRESS, &c->peer);
		break;
	case CYCLE_PERMIT:
		stun_write_xor_address(w, STUN_ATTR_XOR_PEER_ADDRESS, &c->peer);
		break;
	case CYCLE_ALLOCATE:
		if (p->way != CYCLE_EXPIRES)
			stun_write_u32(w, STUN_ATTR_LIFETIME, LIFETIME_S);
		// fall through
	default:
		stun_write_u32(w, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
		break;
	}
}

static int sign(struct cycles *c, const struct cycle *p, struct stun_writer *w)
{
	const struct cycles_options *o = &c->options;
	bool quota = step_of(p) == CYCLE_QUOTA;
	const char *user = quota ? o->quota_user : o->user;
	const char *password = step_of(p) == CYCLE_WRONG ? "wrong"
			       : quota                   ? o->quota_password
							 : o->password;
	struct ctl_key key;
	int rc = ctl_crypto_long_term_key(
		c->crypto, user, strlen(user), p->realm, password, strlen(password), &key);

	if (rc < 0)
		return rc;
	stun_write_attr(w, STUN_ATTR_USERNAME, user, strlen(user));
	stun_write_attr(w, STUN_ATTR_REALM, p->realm, strlen(p->realm));
	stun_write_attr(w, STUN_ATTR_NONCE, p->nonce, strlen(p->nonce));
	ctl_integrity_append(c->crypto, w, key.bytes, key.length);
	return 0;
}

// The message of the step: a request, or a ChannelData message with the cycle's number.
static int build(struct cycles *c, struct cycle *p)
{
	struct stun_writer w;
	int rc;

	if (step_of(p) == CYCLE_ECHO) {
		tp_wr16(p->message, CHANNEL);
		tp_wr16(p->message + 2, sizeof(p->number));
		memcpy(p->message + 4, &p->number, sizeof(p->number));
		p->length = 4 + sizeof(p->number);
		return 0;
	}
	rc = tp_random_bytes(p->transaction, sizeof(p->transaction));
	if (rc < 0)
		return rc;
	stun_write_begin(&w, p->message, sizeof(p->message), STUN_REQUEST, steps[step_of(p)].method,
		p->transaction);
	attributes(c, p, &w);
	if (step_of(p) != CYCLE_ASK && (rc = sign(c, p, &w)) < 0)
		return rc;
	rc = stun_write_finish(&w);
	p->length = rc > 0 ? (size_t)rc : 0;
	return rc > 0 ? 0 : -EMSGSIZE;
}

static void transmit(struct cycles *c, struct cycle *p, uint64_t now_ns)
{
	p->resend_ns = now_ns + p->rto_ns;
	send(p->sock, p->message, p->length, 0); // what is lost is sent again
}

static int step_begin(struct cycles *c, struct cycle *p, uint64_t now_ns)
{
	int rc = build(c, p);

	if (rc < 0)
		return rc;
	p->resent = false;
	p->rto_ns = RTO_FIRST_NS;
	p->give_up_ns = now_ns + GIVE_UP_NS;
	c->requests++;
	transmit(c, p, now_ns);
	return 0;
}

static void end(struct cycles *c, struct cycle *p, bool as_it_should)
{
	p->busy = false;
	c->done++;
	if (as_it_should)
		c->ways[p->way]++;
	else
		c->unexpected++;
	// What may be left is the server's to end; a new socket is another five-tuple.
	if ((!as_it_should || step_of(p) == CYCLE_LEAVE) && p->sock >= 0) {
		close(p->sock);
		p->sock = -1;
	}
}

static void fail(struct cycles *c, struct cycle *p, const char *what, int code)
{
	if (!c->failure[0])
		snprintf(c->failure, sizeof(c->failure), "cycle %llu (%s), step %u: %s %d",
			(unsigned long long)p->number, ways[p->way].name, p->at, what, code);
	end(c, p, false);
}

static void next_step(struct cycles *c, struct cycle *p, uint64_t now_ns)
{
	int rc;

	p->at++;
	if (step_of(p) == CYCLE_DONE || step_of(p) == CYCLE_LEAVE)
		end(c, p, true);
	else if ((rc = step_begin(c, p, now_ns)) < 0)
		fail(c, p, "cannot be sent", rc);
}

int cycle_begin(struct cycles *c, struct cycle *p, uint64_t now_ns)
{
	int rc = p->sock < 0 ? renew_socket(c, p) : 0;

	if (rc < 0)
		return rc;
	p->number = c->begun++;
	p->way = choose(c, p->number);
	p->at = 0;
	p->busy = true;
	return step_begin(c, p, now_ns);
}

static int code_of(const struct stun_message *m)
{
	struct stun_attr a;

	if (m->class == STUN_SUCCESS)
		return 0;
	return stun_find(m, STUN_ATTR_ERROR_CODE, &a) && a.length >= 4
		       ? a.value[2] * 100 + a.value[3]
		       : -1;
}

// A server that died in between has ended the allocation and cannot say so any more.
static bool is_end_again(const struct cycle *p, int code)
{
	return step_of(p) == CYCLE_FREE && code == 437 && p->resent;
}

// A new socket may have got the port of one that was left, whose allocation has not expired yet.
static bool is_left(const struct cycle *p, int code)
{
	return p->fresh && (code == 0 || code == 437 || code == 441);
}

static void again_elsewhere(struct cycles *c, struct cycle *p, uint64_t now_ns)
{
	int rc = renew_socket(c, p);

	p->at = 0;
	c->ports_met_again++;
	if (rc == 0)
		rc = step_begin(c, p, now_ns);
	if (rc < 0)
		fail(c, p, "cannot begin again", rc);
}

static void answer(struct cycles *c, struct cycle *p, const struct stun_message *m, uint64_t now_ns)
{
	int code = code_of(m), rc;

	if (code == 401 || code == 438) {
		bench_copy_text(m, STUN_ATTR_REALM, p->realm, sizeof(p->realm));
		bench_copy_text(m, STUN_ATTR_NONCE, p->nonce, sizeof(p->nonce));
	}
	if (code == 438) {
		if ((rc = step_begin(c, p, now_ns)) < 0)
			fail(c, p, "cannot be sent", rc);
	} else if (code == steps[step_of(p)].code || is_end_again(p, code)) {
		p->fresh = p->fresh && step_of(p) != CYCLE_ALLOCATE;
		next_step(c, p, now_ns);
	} else if (is_left(p, code)) {
		again_elsewhere(c, p, now_ns);
	} else {
		fail(c, p, "answered", code);
	}
}

void cycle_input(struct cycles *c, struct cycle *p, const uint8_t *data, size_t n, uint64_t now_ns)
{
	struct stun_message m;

	if (!p->busy)
		return;
	if (step_of(p) == CYCLE_ECHO) {
		if (n >= p->length && memcmp(data, p->message, p->length) == 0)
			next_step(c, p, now_ns);
		return;
	}
	if (stun_read(data, n, &m) == STUN_READ_OK &&
		(m.class == STUN_SUCCESS || m.class == STUN_ERROR) &&
		memcmp(m.transaction_id, p->transaction, sizeof(p->transaction)) == 0)
		answer(c, p, &m, now_ns);
}

void cycle_tick(struct cycles *c, struct cycle *p, uint64_t now_ns)
{
	if (!p->busy || now_ns < p->resend_ns)
		return;
	if (now_ns >= p->give_up_ns) {
		fail(c, p, "unanswered", 0);
		return;
	}
	p->rto_ns = p->rto_ns * 2 > RTO_MAX_NS ? RTO_MAX_NS : p->rto_ns * 2;
	p->resent = true;
	c->retransmissions++;
	transmit(c, p, now_ns);
}
