// SPDX-License-Identifier: BSD-3-Clause
// Clients: what they ask for, how they sign it, and what they were promised.
#include <stdio.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "tests/faults/world.h"

#define PERMISSION_S 300
#define CHANNEL_S    600

static const char *const passwords[] = {"wonder", "build", "sing"};

static struct tp_addr address4(uint32_t ip, uint16_t port)
{
	return (struct tp_addr){.ip = tp_ip4(ip), .port = port};
}

void client_open(struct world *w, struct client *c)
{
	uint32_t n = (uint32_t)(c - w->client);
	*c = (struct client){.at = address4(0xc6120100 + n, (uint16_t)(1024 + w->port++ % 60000)),
		.listener = address4(0xc6120002, 3478),
		.user = (int)pick(w, 3)};
	for (uint32_t i = 0; i < CLIENT_PEERS; i++) {
		c->peer[i].address = address4(0x08080800 + i / 2, (uint16_t)(9 + i));
		c->peer[i].channel = (uint16_t)(0x4000 + i);
	}
}

void client_forget(struct world *w, struct client *c)
{
	client_open(w, c);
}

// ---- Asking.

static void random_bytes(struct world *w, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)pick(w, 256);
}

static uint16_t method_of(enum fault_op what)
{
	switch (what) {
	case FAULT_allocate:
		return STUN_ALLOCATE;
	case FAULT_permit:
		return STUN_CREATE_PERMISSION;
	case FAULT_bind:
		return STUN_CHANNEL_BIND;
	default:
		return STUN_REFRESH;
	}
}

static void write_wishes(const struct client *c, struct stun_writer *o)
{
	const struct client_peer *p = &c->peer[c->which];
	switch (c->asking) {
	case FAULT_allocate:
		stun_write_u32(o, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
		if (c->which == 1)
			stun_write_u32(o, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
		if (c->which == 2)
			stun_write_attr(o, STUN_ATTR_EVEN_PORT, &(uint8_t){0x80}, 1);
		if (c->which == 3)
			stun_write_attr(o, STUN_ATTR_MOBILITY_TICKET, NULL, 0);
		stun_write_u32(o, STUN_ATTR_LIFETIME, c->lifetime_s);
		break;
	case FAULT_bind:
		stun_write_u32(o, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)p->channel << 16);
		stun_write_xor_address(o, STUN_ATTR_XOR_PEER_ADDRESS, &p->address);
		break;
	case FAULT_permit:
		stun_write_xor_address(o, STUN_ATTR_XOR_PEER_ADDRESS, &p->address);
		break;
	case FAULT_move:
		stun_write_attr(o, STUN_ATTR_MOBILITY_TICKET, c->ticket, sizeof(c->ticket));
		stun_write_u32(o, STUN_ATTR_LIFETIME, c->lifetime_s);
		break;
	default: // refresh, delete
		stun_write_u32(o, STUN_ATTR_LIFETIME, c->lifetime_s);
	}
}

// With the nonce that it has, if any.
static void build(struct world *w, struct client *c)
{
	static const char *const names[] = {"alice", "bob",
		"a name that is longer than the sixty bytes that a record has of it, and more"};
	struct stun_writer o;
	struct ctl_key key;
	random_bytes(w, c->transaction_id, sizeof(c->transaction_id));
	stun_write_begin(&o, c->bytes, sizeof(c->bytes), STUN_REQUEST, method_of(c->asking),
		c->transaction_id);
	write_wishes(c, &o);
	if (c->nonce_length) {
		const char *user = names[c->user];
		stun_write_attr(&o, STUN_ATTR_USERNAME, user, strlen(user));
		stun_write_attr(&o, STUN_ATTR_REALM, REALM, strlen(REALM));
		stun_write_attr(&o, STUN_ATTR_NONCE, c->nonce, c->nonce_length);
		ctl_crypto_long_term_key(w->crypto, user, strlen(user), REALM, passwords[c->user],
			strlen(passwords[c->user]), &key);
		ctl_integrity_append(w->crypto, &o, key.bytes, key.length);
	}
	int length = stun_write_finish(&o);
	FAULT_CHECK(length > 0, "request too long");
	c->length = (size_t)length;
}

void client_ask(struct world *w, struct client *c, enum fault_op what)
{
	static const uint32_t lifetimes[] = {600, 900, 1200, 3000};
	c->asking = what;
	c->which = (int)pick(w, what == FAULT_allocate ? 5 : CLIENT_PEERS);
	if (what == FAULT_allocate) { // one that leads to the point that is wished for
		if (w->wish >= FAULT_name_begun && w->wish <= FAULT_name_written)
			c->user = 2;
		if (w->wish == FAULT_record_reservation)
			c->which = 2;
		if (w->wish == FAULT_record_place || w->wish == FAULT_record_ticket ||
			w->wish == FAULT_record_before)
			c->which = 3;
	}
	c->lifetime_s = what == FAULT_delete ? 0 : lifetimes[pick(w, 4)];
	c->first_ns = 0;
	c->sent = c->resigned = 0;
	c->before.allocation = c->allocation;
	memcpy(c->before.peer, c->peer, sizeof(c->peer));
	if (what == FAULT_move) {
		c->to = c->at;
		c->to.port = (uint16_t)(1024 + w->port++ % 60000);
		c->nonce_length = 0; // it was given for the other five-tuple
	}
	build(w, c);
}

void client_send(struct world *w, struct client *c)
{
	struct fault_shared *s = w->s;
	uint64_t reach = world_now(w) + c->lifetime_s * TP_NS_PER_S;
	s->op = (uint8_t)c->asking;
	s->client = c->asking == FAULT_move ? c->to : c->at;
	s->listener = c->listener;
	memcpy(s->request, c->bytes, c->length);
	s->request_length = c->length;
	c->last_ns = world_now(w);
	if (c->first_ns == 0)
		c->first_ns = c->last_ns;
	c->sent++;
	if (c->asking == FAULT_allocate || c->asking == FAULT_refresh || c->asking == FAULT_move) {
		if (c->allocation.latest_ns < reach)
			c->allocation.latest_ns = reach;
		if (c->allocation.least_ns > reach) // it may be taken to be shorter now
			c->allocation.least_ns = reach;
	}
	struct client_peer *p = &c->peer[c->which];
	if (c->asking == FAULT_permit || c->asking == FAULT_bind)
		for (int i = 0; i < CLIENT_PEERS; i++) // by IP, which some peers share
			if (tp_ip_equal(&c->peer[i].address.ip, &p->address.ip))
				c->peer[i].permission.latest_ns =
					world_now(w) + PERMISSION_S * TP_NS_PER_S;
	if (c->asking == FAULT_bind)
		p->binding.latest_ns = world_now(w) + CHANNEL_S * TP_NS_PER_S;
}

// ---- Answers.

static void hold(struct promise *p, uint64_t until_ns)
{
	p->held = true;
	p->least_ns = until_ns;
}

// Whether nobody can have done it before.
static bool first_time(const struct client *c)
{
	return c->sent <= 1 && c->resigned == 0;
}

static void take_allocation(struct world *w, struct client *c, const struct stun_message *m)
{
	struct stun_attr a;
	const struct tp_alloc_record *r = world_record_at(w, &c->at);
	if (!r && c->allocation.latest_ns <= world_now(w)) // the answer took longer than it lasted
		return;
	FAULT_CHECK(r, "an Allocate succeeded, and there is no record of %u", c->at.port);
	FAULT_CHECK(stun_find(m, STUN_ATTR_XOR_RELAYED_ADDRESS, &a) &&
			    stun_read_xor_address(&a, m->transaction_id, &c->relay),
		"an Allocate succeeded without an address");
	FAULT_CHECK(
		tp_addr_equal(&c->relay, &r->relay[0]) || tp_addr_equal(&c->relay, &r->relay[1]),
		"the relayed address that %u was told is not in its record", c->at.port);
	if (memcmp(c->uid, r->uid, sizeof(c->uid)) != 0) // what the one before had went with it
		for (int i = 0; i < CLIENT_PEERS; i++)
			c->peer[i].permission = c->peer[i].binding = (struct promise){0};
	memcpy(c->uid, r->uid, sizeof(c->uid));
	hold(&c->allocation, c->first_ns + c->lifetime_s * TP_NS_PER_S);
	c->mobile = stun_find(m, STUN_ATTR_MOBILITY_TICKET, &a) && a.length == sizeof(c->ticket);
	if (c->mobile)
		memcpy(c->ticket, a.value, sizeof(c->ticket));
	for (int i = 0; i < 2; i++) {
		if (r->relay[i].ip.family == TP_FAMILY_NONE)
			continue;
		int f = r->relay[i].ip.family == TP_FAMILY_IPV6;
		uint32_t port = r->relay[i].port - PORT_MIN;
		// RFC 8656 section 6: peers may still send to whom had it before.
		bool other = memcmp(w->promised_uid[f][port], r->uid, sizeof(r->uid)) != 0;
		FAULT_CHECK(!other || w->promised_ns[f][port] == 0 || w->free_before[f] == 0 ||
				    !first_time(c) ||
				    world_now(w) - w->promised_ns[f][port] >= REST_S * TP_NS_PER_S,
			"port %u was given to the next one after %llu s, while %llu were free",
			r->relay[i].port,
			(unsigned long long)((world_now(w) - w->promised_ns[f][port]) /
					     TP_NS_PER_S),
			(unsigned long long)w->free_before[f]);
	}
}

static void succeeded(struct world *w, struct client *c, const struct stun_message *m)
{
	struct client_peer *p = &c->peer[c->which];
	struct stun_attr a;
	w->successes++;
	switch (c->asking) {
	case FAULT_allocate:
		take_allocation(w, c, m);
		break;
	case FAULT_bind:
		hold(&p->binding, c->first_ns + CHANNEL_S * TP_NS_PER_S);
		// fall through
	case FAULT_permit:
		hold(&p->permission, c->first_ns + PERMISSION_S * TP_NS_PER_S);
		break;
	case FAULT_delete:
		client_forget(w, c);
		return;
	case FAULT_move:
		FAULT_CHECK(stun_find(m, STUN_ATTR_MOBILITY_TICKET, &a) &&
				    a.length == sizeof(c->ticket),
			"a move succeeded without a ticket");
		memcpy(c->ticket, a.value, sizeof(c->ticket));
		c->at = c->to;
		// fall through
	default:
		hold(&c->allocation, c->first_ns + c->lifetime_s * TP_NS_PER_S);
	}
	c->asking = FAULT_NOTHING;
}

static void failed(struct world *w, struct client *c, int code)
{
	enum fault_op asked = c->asking;
	bool first = first_time(c);
	bool gone = world_record_at(w, &c->at) == NULL;
	c->asking = FAULT_NOTHING;
	if (code == 508 || code == 500 || (code == 486 && asked == FAULT_allocate)) {
		if (!first) // it may have been done, by one that was killed before it could say so
			return;
		c->allocation = c->before.allocation;
		memcpy(c->peer, c->before.peer, sizeof(c->peer));
		return;
	}
	// What is not there any more: an end, or a lifetime that passed while nobody answered.
	if (code == 437 && asked != FAULT_allocate && asked != FAULT_move) {
		FAULT_CHECK(!first || !c->allocation.held ||
				    c->allocation.least_ns <= world_now(w) || gone,
			"%u is told that it has no allocation", c->at.port);
		client_forget(w, c);
		return;
	}
	FAULT_CHECK(!first || (asked == FAULT_move && c->allocation.least_ns <= world_now(w)),
		"%s of %u fails with %d", fault_op_name(asked), c->at.port, code);
	client_forget(w, c);
}

static void take(struct world *w, struct client *c, const struct stun_message *m)
{
	struct stun_attr a;
	int code = 0;
	w->answers++;
	if (m->class == STUN_ERROR && stun_find(m, STUN_ATTR_ERROR_CODE, &a))
		code = a.value[2] * 100 + a.value[3];
	fault_trace("  answer to %s of %u: %d", fault_op_name(c->asking), c->at.port, code);
	if (code == 0) {
		succeeded(w, c, m);
		return;
	}
	if ((code == 401 || code == 438) && stun_find(m, STUN_ATTR_NONCE, &a)) {
		FAULT_CHECK(c->nonce_length == 0 || code == 438 || c->resigned < 3,
			"%u cannot log in", c->at.port);
		memcpy(c->nonce, a.value, a.length);
		c->nonce_length = a.length;
		c->resigned += c->sent > 1;
		c->sent = 0;
		build(w, c);
		return;
	}
	failed(w, c, code);
}

void client_listen(struct world *w)
{
	struct fault_shared *s = w->s;
	FAULT_CHECK(s->answers <= FAULT_ANSWERS, "%u answers at once", s->answers);
	for (uint32_t i = 0; i < s->answers; i++) {
		struct stun_message m;
		FAULT_CHECK(stun_read(s->answer[i].bytes, s->answer[i].length, &m) == STUN_READ_OK,
			"an answer that is no STUN message");
		for (int k = 0; k < CLIENTS; k++) {
			struct client *c = &w->client[k];
			if (c->asking != FAULT_NOTHING &&
				memcmp(m.transaction_id, c->transaction_id, 12) == 0)
				take(w, c, &m);
		}
	}
	s->answers = 0;
}
