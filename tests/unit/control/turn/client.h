// SPDX-License-Identifier: BSD-3-Clause
// A TURN layer over a world, and a client that builds requests and reads the responses.
#pragma once

#include "tests/unit/control/world.h"
// After cmocka's headers.
#include "common/base/bytes.h"
#include "control/auth/nonce.h"
#include "control/turn/policy.h"
#include "control/turn/turn.h"

#define RELAY_REALM "example.org"
#define MAX_SENT    160

struct sent {
	struct ctl_reply_to reply_to;
	struct tp_addr source, destination;
	uint8_t bytes[CTL_RESPONSE_MAX_BYTES];
	size_t length;
	struct stun_message message;
};

// What a stream process was told.
struct told {
	uint16_t kind;
	struct tp_stream_client to;
	uint8_t payload[TP_STREAM_NOTE_PAYLOAD];
	size_t length;
};
#define MAX_TOLD 160

struct relay {
	struct world w;
	struct conf conf;
	struct conf_user users[3];
	struct ctl_turn *turn;
	struct ctl_acl *acl;
	struct ctl_user_store *user_store;
	struct ctl_crypto *crypto;
	struct sent sent[MAX_SENT];
	uint32_t n_sent;
	bool hold_acks; // acknowledge only when told to
	struct told told[MAX_TOLD];
	uint32_t n_told;
	bool deaf;             // stream processes take nothing
	uint32_t replay_slots; // 0: as many as a relay has

	// The client.
	uint32_t max_pending; // 0: as ever
	struct tp_addr client, listener;
	uint8_t transport;
	struct tp_stream_client stream; // of another transport than UDP
	const char *user, *password;
	char nonce[CTL_RESPONSE_MAX_BYTES];
	size_t nonce_length;
	bool fingerprint;

	// The request being built.
	struct stun_writer writer;
	uint8_t bytes[CTL_REQUEST_MAX_BYTES + 100];
	size_t length;
	uint8_t transaction_id[12];
};

static inline void relay_sent(void *context, const struct ctl_reply_to *reply_to,
	const struct tp_addr *source, const struct tp_addr *destination, const uint8_t *bytes,
	size_t length)
{
	struct relay *r = context;
	assert_true(r->n_sent < MAX_SENT);
	struct sent *s = &r->sent[r->n_sent++];
	s->reply_to = *reply_to;
	s->source = *source;
	s->destination = *destination;
	memcpy(s->bytes, bytes, length);
	s->length = length;
	if (tp_rd32(bytes + 4) == STUN_MAGIC_COOKIE) // else to a client of RFC 3489
		assert_int_equal(stun_read(s->bytes, length, &s->message), STUN_READ_OK);
}

static inline bool relay_told(void *context, enum tp_stream_note_kind kind,
	struct tp_stream_client to, const void *payload, size_t length)
{
	struct relay *r = context;
	if (r->deaf)
		return false;
	assert_true(r->n_told < MAX_TOLD);
	struct told *t = &r->told[r->n_told++];
	t->kind = (uint16_t)kind;
	t->to = to;
	t->length = length;
	if (length > 0)
		memcpy(t->payload, payload, length);
	return true;
}

static inline void relay_create_turn(struct relay *r)
{
	struct ctl_turn_options o = {.conf = &r->conf,
		.max_pending = r->max_pending,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.tell = relay_told,
		.tell_context = r,
		.random = {.bytes = world_random, .context = &r->w},
		.replay_slots = r->replay_slots};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);
}

static inline void relay_open(struct relay *r)
{
	static char realm[] = RELAY_REALM, empty[] = "";
	static char names[3][8] = {"alice", "bob", "carol"};
	static char passwords[3][8] = {"wonder", "build", "sing"};
	static char secret[] = "north";
	static char *secrets[] = {secret};
	for (int i = 0; i < 3; i++)
		r->users[i] = (struct conf_user){.name = names[i], .password = passwords[i]};
	struct conf *c = &r->conf;
	c->realm = realm;
	if (!c->n_realms) {
		c->realms[0] = realm;
		c->n_realms = 1;
	}
	c->software = empty;
	c->n_listeners = 2;
	c->listeners[0] = (struct conf_listener){
		.address = ip("198.18.0.2"),
		.port = 3478,
		.transports = CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP | CONF_TRANSPORT_TLS};
	c->listeners[1] = (struct conf_listener){
		.address = ip("fd00:198:18::2"),
		.port = 3478,
		.transports = CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP | CONF_TRANSPORT_TLS};
	c->relay.addresses[0] = (struct conf_relay){ip("198.18.0.2"), ip("203.0.113.5"), 32};
	c->relay.addresses[1] =
		(struct conf_relay){ip("fd00:198:18::2"), ip("fd00:198:18::2"), 128};
	if (!c->relay.n_addresses)
		c->relay.n_addresses = 2;
	c->relay.tcp = true;
	c->relay.port_min = 50000;
	if (!c->relay.port_max)
		c->relay.port_max = 50099;
	c->auth.users = r->users;
	c->auth.n_users = 3;
	c->auth.rest_secrets = secrets;
	c->auth.n_rest_secrets = 1;
	c->auth.nonce_lifetime_s = 600;
	c->lifetimes.allocation_default_s = 600;
	c->lifetimes.allocation_max_s = 3600;
	c->lifetimes.permission_s = 300;
	c->lifetimes.channel_s = 600;
	c->lifetimes.port_rest_s = 60;
	ctl_policy_store(c, &r->w.policy);
	world_open(&r->w, 32, 300, 2);
	assert_int_equal(ctl_policy_acl(c, NULL, 0, &r->acl), 0);
	assert_int_equal(ctl_policy_users(c, &r->user_store), 0);
	assert_int_equal(ctl_crypto_create(&r->crypto), 0);
	relay_create_turn(r);
	r->client = addr("198.18.1.1", 4000);
	r->listener = addr("198.18.0.2", 3478);
	r->user = "alice";
	r->password = "wonder";
}

static inline void relay_close(struct relay *r)
{
	ctl_turn_destroy(r->turn);
	r->user_store->destroy(r->user_store);
	ctl_acl_destroy(r->acl);
	ctl_crypto_destroy(r->crypto);
	world_close(&r->w);
}

static inline int relay_setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));
	relay_open(r);
	*state = r;
	return 0;
}

static inline int relay_teardown(void **state)
{
	relay_close(*state);
	free(*state);
	return 0;
}

// ---- The dataplane's acknowledgements.

// Acknowledges the next command with this result.
static inline void relay_ack(struct relay *r, int result)
{
	struct world *w = &r->w;
	assert_true(w->n_acked < w->n_commands);
	const struct tp_cmd *cmd = &w->command[w->n_acked++];
	struct tp_ack ack = {.sequence = cmd->sequence,
		.result = result,
		.type = cmd->type,
		.alloc = cmd->alloc};
	ctl_turn_ack(r->turn, &ack, w->now);
}

static inline void relay_ack_all(struct relay *r, int result)
{
	while (r->w.n_acked < r->w.n_commands)
		relay_ack(r, result);
}

// ---- Building requests.

static inline void request_begin(struct relay *r, uint16_t method)
{
	world_random(&r->w, r->transaction_id, sizeof(r->transaction_id));
	stun_write_begin(&r->writer, r->bytes, CTL_REQUEST_MAX_BYTES, STUN_REQUEST, method,
		r->transaction_id);
}

static inline void request_peer(struct relay *r, const char *peer, uint16_t port)
{
	struct tp_addr a = addr(peer, port);
	stun_write_xor_address(&r->writer, STUN_ATTR_XOR_PEER_ADDRESS, &a);
}

static inline struct ctl_key request_key(struct relay *r)
{
	struct ctl_key key;
	ctl_crypto_long_term_key(r->crypto, r->user, strlen(r->user), RELAY_REALM, r->password,
		strlen(r->password), &key);
	return key;
}

// USERNAME, REALM, NONCE, MESSAGE-INTEGRITY.
static inline void request_sign(struct relay *r)
{
	struct ctl_key key = request_key(r);
	stun_write_attr(&r->writer, STUN_ATTR_USERNAME, r->user, strlen(r->user));
	stun_write_attr(&r->writer, STUN_ATTR_REALM, RELAY_REALM, strlen(RELAY_REALM));
	stun_write_attr(&r->writer, STUN_ATTR_NONCE, r->nonce, r->nonce_length);
	ctl_integrity_append(r->crypto, &r->writer, key.bytes, sizeof(key.bytes));
}

// Sends what was built (again), from a buffer of exactly its size at an odd address, and
// acknowledges unless told to hold. The number of responses that came.
static inline uint32_t request_send(struct relay *r)
{
	if (r->w.n_commands > WORLD_COMMANDS / 2 && r->w.n_acked == r->w.n_commands)
		world_forget(&r->w);
	uint8_t *exact = malloc(r->length + 1);
	memcpy(exact + 1, r->bytes, r->length);
	struct ctl_request q = {.client = r->client,
		.listener = r->listener,
		.transport = r->transport,
		.stream = r->stream,
		.reply_to.bytes = "way back",
		.bytes = exact + 1,
		.length = r->length};
	uint32_t before = r->n_sent;
	ctl_turn_request(r->turn, &q, r->w.now);
	free(exact);
	if (!r->hold_acks)
		relay_ack_all(r, 0);
	return r->n_sent - before;
}

static inline void request_finish(struct relay *r)
{
	if (r->fingerprint)
		stun_write_fingerprint(&r->writer);
	int length = stun_write_finish(&r->writer);
	assert_true(length > 0);
	r->length = (size_t)length;
}

// ---- Reading responses.

static inline const struct sent *last_sent(const struct relay *r)
{
	assert_true(r->n_sent > 0);
	return &r->sent[r->n_sent - 1];
}

// The error code of a response, 0 of a success.
static inline int sent_code(const struct sent *s)
{
	struct stun_attr a;
	if (s->message.class == STUN_SUCCESS)
		return 0;
	assert_int_equal(s->message.class, STUN_ERROR);
	assert_true(stun_find(&s->message, STUN_ATTR_ERROR_CODE, &a));
	return a.value[2] * 100 + a.value[3];
}

static inline void learn_nonce(struct relay *r, const struct sent *s)
{
	struct stun_attr a;
	if (!stun_find(&s->message, STUN_ATTR_NONCE, &a))
		return;
	memcpy(r->nonce, a.value, a.length);
	r->nonce_length = a.length;
}

static inline bool sent_signed(struct relay *r, const struct sent *s)
{
	struct stun_attr mi;
	struct ctl_key key = request_key(r);
	if (!stun_find(&s->message, STUN_ATTR_MESSAGE_INTEGRITY, &mi))
		return false;
	assert_true(ctl_integrity_ok(r->crypto, &s->message, &mi, key.bytes, sizeof(key.bytes)));
	return true;
}

// Signs, sends and returns the code of the one response, -1 when there was none. What must hold of
// every response is checked here.
static inline int request_code(struct relay *r)
{
	request_sign(r);
	request_finish(r);
	r->n_sent = 0;
	uint32_t n = request_send(r);
	assert_true(n <= 1);
	if (n == 0)
		return -1;
	const struct sent *s = last_sent(r);
	int code = sent_code(s);
	assert_memory_equal(s->message.transaction_id, r->transaction_id, 12);
	assert_true(tp_addr_equal(&s->destination, &r->client));
	assert_true(tp_addr_equal(&s->source, &r->listener));
	assert_memory_equal(s->reply_to.bytes, "way back", 8);
	bool unsigned_one = code == 401 || code == 438;
	assert_int_equal(sent_signed(r, s), !unsigned_one);
	assert_int_equal(stun_has_fingerprint(&s->message), r->fingerprint);
	if (r->fingerprint)
		assert_true(stun_fingerprint_ok(&s->message));
	struct stun_attr a;
	assert_int_equal(stun_find(&s->message, STUN_ATTR_NONCE, &a), unsigned_one);
	assert_int_equal(stun_find(&s->message, STUN_ATTR_REALM, &a), unsigned_one);
	assert_false(stun_find(&s->message, STUN_ATTR_USERNAME, &a));
	return code;
}

// The first request of a client: 401, and its nonce is learnt.
static inline void relay_challenge(struct relay *r)
{
	request_begin(r, STUN_ALLOCATE);
	request_finish(r);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 401);
	learn_nonce(r, last_sent(r));
}

static inline void request_allocate(struct relay *r)
{
	request_begin(r, STUN_ALLOCATE);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
}

static inline void relay_allocate(struct relay *r)
{
	relay_challenge(r);
	request_allocate(r);
	assert_int_equal(request_code(r), 0);
}

static inline const struct tp_alloc_record *relay_allocation(struct relay *r)
{
	return ctl_allocation_find(r->w.store, r->transport, &r->client, &r->listener, r->w.now);
}

static inline struct tp_addr sent_address(const struct sent *s, uint16_t type)
{
	struct stun_attr a;
	struct tp_addr out;
	assert_true(stun_find(&s->message, type, &a));
	assert_true(stun_read_xor_address(&a, s->message.transaction_id, &out));
	return out;
}

static inline uint32_t sent_lifetime(const struct sent *s)
{
	struct stun_attr a;
	assert_true(stun_find(&s->message, STUN_ATTR_LIFETIME, &a));
	return tp_rd32(a.value);
}

static inline int relay_permit(struct relay *r, const char *peer)
{
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, peer, 0);
	return request_code(r);
}
