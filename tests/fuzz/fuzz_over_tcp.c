// SPDX-License-Identifier: BSD-3-Clause
// TCP allocations, with stream processes that say what they like and clients that know a password:
// the input is a script of requests, notes, hand-overs and ends. Whatever was said, nobody is bound
// to a connection of another user's allocation, no connection is in two places, and when all
// connections are closed nothing is left.
#define WORLD_COMMANDS 2048 // one for each peer of an allocation, and more
#include "tests/unit/control/turn/client.h"
// After cmocka's headers.
#include "control/alloc/connection.h"
#include "tests/fuzz/script.h"

#define CONNECTIONS 6 // of clients; even ones in process 1, odd ones in process 2
#define IDS         8 // CONNECTION-IDs that the script can name

enum {
	OP_ALLOCATE,
	OP_LISTENED,
	OP_CONNECT,
	OP_NOTE,
	OP_BIND,
	OP_HANDED,
	OP_CLOSED,
	OP_GONE,
	OP_TIME,
	OP_PERMIT,
	OP_REFRESH,
	OP_DEAF,
	OP_OPENED,
	OP_DETACH,
	OPS,
};

struct scene {
	struct relay *r;
	uint32_t ids[IDS]; // control's or the script's own
	uint32_t next_id;
	uint64_t ports;
	const uint8_t *end;
};

static struct tp_stream_client client_of(uint8_t n)
{
	return (struct tp_stream_client){.stream = 1 + n % 2, .connection = 100 + n};
}

// Every further step is this client's.
static uint8_t be(struct scene *s, struct fuzz_script *script)
{
	uint8_t n = fuzz_u8(script) % CONNECTIONS;
	struct relay *r = s->r;

	r->transport = n == 4 ? CTL_TRANSPORT_TLS : CTL_TRANSPORT_TCP;
	r->stream = client_of(n);
	r->client = addr("198.18.1.1", (uint16_t)(4000 + n));
	r->user = n < CONNECTIONS - 1 ? "alice" : "bob";
	r->password = n < CONNECTIONS - 1 ? "wonder" : "build";
	return n;
}

static struct ctl_request place(const struct relay *r)
{
	return (struct ctl_request){.client = r->client,
		.listener = r->listener,
		.transport = r->transport,
		.stream = r->stream,
		.reply_to.bytes = "way back"};
}

// A nonce of its own, unless the client waits for an answer.
static bool challenged(struct relay *r)
{
	request_begin(r, STUN_ALLOCATE);
	request_finish(r);
	r->n_sent = 0;
	if (request_send(r) != 1)
		return false;
	learn_nonce(r, last_sent(r));
	return true;
}

static void send_signed(struct relay *r)
{
	request_sign(r);
	request_finish(r);
	r->n_sent = 0;
	request_send(r);
}

// What processes were told since the last step.
static void look(struct scene *s)
{
	struct relay *r = s->r;

	for (uint32_t i = 0; i < r->n_told; i++) {
		const struct told *t = &r->told[i];
		struct tp_stream_far far;

		FUZZ_CHECK(t->to.stream == 1 || t->to.stream == 2);
		if (t->kind == TP_STREAM_LISTEN || t->kind == TP_STREAM_UNLISTEN)
			continue;
		FUZZ_CHECK(t->length >= sizeof(far));
		memcpy(&far, t->payload, sizeof(far));
		FUZZ_CHECK(far.id != 0);
		if (t->kind == TP_STREAM_FAR_CONNECT) {
			s->ids[s->next_id++ % IDS] = far.id;
			fuzz_canary(s->end);
		}
		if (t->kind != TP_STREAM_FAR_BIND)
			continue;
		// bob's only connection has no allocation that alice could be bound to.
		FUZZ_CHECK((t->to.connection == 100 + CONNECTIONS - 1) ==
			   (far.owner.connection == 100 + CONNECTIONS - 1));
	}
	r->n_told = 0;
}

static void allocate(struct relay *r, struct fuzz_script *script)
{
	uint8_t how = fuzz_u8(script);

	if (!challenged(r))
		return;
	request_begin(r, STUN_ALLOCATE);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_TRANSPORT, (how & 1 ? 17u : 6u) << 24);
	if (how & 2)
		stun_write_u32(&r->writer, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	if (how & 4)
		stun_write_attr(&r->writer, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
	send_signed(r);
}

static const char *peer_of(uint8_t n)
{
	static const char *const peers[] = {
		"198.19.0.1", "198.19.0.2", "127.0.0.1", "203.0.113.5", "2001:db8::1"};

	return peers[n % 5];
}

static void ask(struct scene *s, struct fuzz_script *script, uint16_t method)
{
	struct relay *r = s->r;
	uint8_t a = fuzz_u8(script), b = fuzz_u8(script);

	if (!challenged(r))
		return;
	request_begin(r, method);
	if (method == STUN_CONNECTION_BIND && b != 255)
		stun_write_u32(&r->writer, STUN_ATTR_CONNECTION_ID, s->ids[a % IDS]);
	else if (method == STUN_REFRESH)
		stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, a);
	else if (b != 255)
		request_peer(r, peer_of(a), method == STUN_CONNECT ? b : 0);
	if (method == STUN_REFRESH && b & 1)
		stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
	send_signed(r);
}

static void listened(struct relay *r, struct fuzz_script *script)
{
	struct tp_stream_listened said = {.error = fuzz_u8(script)};
	struct ctl_request of = place(r);
	struct ctl_far_note n = {.kind = TP_STREAM_LISTENED,
		.stream = r->stream.stream,
		.client = said.error == 255 ? NULL : &of,
		.payload = &said,
		.length = said.error == 254 ? 1 : sizeof(said)};

	ctl_turn_far_note(r->turn, &n, r->w.now);
}

// A note that is good but for what the script changes.
static void note(struct scene *s, struct fuzz_script *script)
{
	struct relay *r = s->r;
	uint8_t how = fuzz_u8(script), at = fuzz_u8(script), id = fuzz_u8(script);
	struct tp_addr key = tp_stream_address(r->stream);
	const struct tp_alloc_record *a =
		ctl_allocation_find(r->w.store, CTL_TRANSPORT_TCP, &key, &key, r->w.now);
	struct ctl_request of = place(r);
	struct tp_stream_far far = {.id = s->ids[id % IDS],
		.owner = r->stream,
		.peer = addr("198.19.0.1", id),
		.state = 1 + (how >> 4) % 4,
		.up_bytes = how};

	if (a)
		far.relay = a->relay[0];
	if (at < sizeof(far))
		((uint8_t *)&far)[at] = fuzz_u8(script);
	struct ctl_far_note n = {.kind = (uint16_t)(TP_STREAM_FAR_CAME + how % 5),
		.stream = how & 8 ? 3 - r->stream.stream : r->stream.stream,
		.client = how & 8 ? NULL : &of,
		.payload = &far,
		.length = at == 255 ? sizeof(far) - 1 : sizeof(far)};
	ctl_turn_far_note(r->turn, &n, r->w.now);
}

static void handed(struct scene *s, struct fuzz_script *script)
{
	struct relay *r = s->r;
	uint8_t a = fuzz_u8(script), b = fuzz_u8(script);
	struct tp_stream_far far;
	uint32_t to = ctl_turn_far_handed(r->turn, 1 + a % 2, s->ids[b % IDS], &far, r->w.now);

	FUZZ_CHECK(to <= 2 && (to == 0 || far.id == s->ids[b % IDS]));
	if (to != 0)
		ctl_turn_far_delivered(r->turn, far.id, !(a & 2), r->w.now);
}

// As control/loop does it.
static bool nobody(void *context, struct tp_stream_client client)
{
	return false;
}

static void closed(struct relay *r)
{
	const struct ctl_connections connections = {.is_open = nobody};
	struct ctl_request gone = place(r);

	ctl_turn_closed(r->turn, &gone);
	ctl_connection_closed(r->w.store, r->stream, &connections, r->w.now);
}

static void pass(struct relay *r, struct fuzz_script *script)
{
	r->w.now.now_ns += fuzz_u8(script) * TP_NS_PER_S * 4;
	ctl_store_expire(r->w.store, r->w.now, 100);
	ctl_turn_tick(r->turn, r->w.now);
}

static void view(struct relay *r)
{
	struct ctl_far_view v;
	uint32_t index = 0;

	for (const struct tp_alloc_record *a; (a = ctl_allocation_next(r->w.store, &index));)
		for (uint32_t i = 0; ctl_turn_far_view(r->turn, a->self, i, &v); i++)
			FUZZ_CHECK(v.id != 0 && v.state[0] != '\0' && i < 64);
}

static void step(struct scene *s, struct fuzz_script *script)
{
	struct relay *r = s->r;
	uint8_t op = fuzz_u8(script) % OPS;
	struct ctl_request opened;

	be(s, script);
	switch (op) {
	case OP_ALLOCATE:
		allocate(r, script);
		break;
	case OP_LISTENED:
		listened(r, script);
		break;
	case OP_CONNECT:
		ask(s, script, STUN_CONNECT);
		break;
	case OP_NOTE:
		note(s, script);
		break;
	case OP_BIND:
		ask(s, script, STUN_CONNECTION_BIND);
		break;
	case OP_HANDED:
		handed(s, script);
		break;
	case OP_CLOSED:
		closed(r);
		break;
	case OP_GONE:
		ctl_turn_stream_gone(r->turn, 1 + fuzz_u8(script) % 2, r->w.now);
		break;
	case OP_TIME:
		pass(r, script);
		break;
	case OP_PERMIT:
		ask(s, script, STUN_CREATE_PERMISSION);
		break;
	case OP_REFRESH:
		ask(s, script, STUN_REFRESH);
		break;
	case OP_DEAF:
		r->deaf = fuzz_u8(script) & 1;
		break;
	case OP_OPENED:
		opened = place(r);
		ctl_turn_opened(r->turn, &opened, r->w.now);
		break;
	case OP_DETACH:
		relay_ack_all(r, 0);
		ctl_turn_detach(r->turn, r->w.now);
		break;
	}
	relay_ack_all(r, 0);
	r->n_sent = 0;
	look(s);
	view(r);
}

static void close_all(struct scene *s)
{
	for (uint8_t n = 0; n < CONNECTIONS; n++) {
		struct fuzz_script one = fuzz_script(&n, 1);

		be(s, &one);
		closed(s->r);
		s->r->n_sent = s->r->n_told = 0;
	}
	relay_ack_all(s->r, 0);
	FUZZ_CHECK(ctl_turn_counters(s->r->turn)->pending == 0);
	FUZZ_CHECK(ctl_turn_counters(s->r->turn)->connections == 0);
	FUZZ_CHECK(world_status(&s->r->w).allocations == 0);
	s->r->w.now.now_ns += 100 * TP_NS_PER_S; // ports have rested
	ctl_store_expire(s->r->w.store, s->r->w.now, 100);
	FUZZ_CHECK(world_status(&s->r->w).ports_free[0] == s->ports);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script script = fuzz_script(data, size);
	struct scene s = {.r = calloc(1, sizeof(*s.r)), .end = data + size};

	FUZZ_CHECK(s.r);
	s.r->replay_slots = 64;
	relay_open(s.r);
	s.ports = world_status(&s.r->w).ports_free[0];
	for (uint32_t i = 0; i < IDS; i++)
		s.ids[i] = i + 1;
	for (uint32_t steps = 0; fuzz_left(&script) > 0 && steps < 200; steps++)
		step(&s, &script);
	close_all(&s);
	relay_close(s.r);
	free(s.r);
}
