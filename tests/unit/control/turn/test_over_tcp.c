// SPDX-License-Identifier: BSD-3-Clause
// TCP allocations (RFC 6062): requests, and notes of the stream processes.
#include "tests/unit/control/turn/client.h"
// After cmocka's headers.
#include "control/alloc/connection.h"
#include "control/alloc/quota.h"

#define PEER             "198.19.0.1"
#define PEER_PORT        7000
#define CONNECTIONS_MOST 64 // of an allocation

static const struct tp_stream_client control_connection = {7, 70}, other_process = {8, 80};

static int setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));

	r->conf.mobility = true;
	relay_open(r);
	r->transport = CTL_TRANSPORT_TCP;
	r->stream = control_connection;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct relay *r = *state;

	assert_int_equal(r->w.n_commands, 0); // the dataplane has no part in it
	relay_close(r);
	free(r);
	return 0;
}

static const struct tp_alloc_record *allocation(const struct relay *r)
{
	struct tp_addr key = tp_stream_address(control_connection);

	return ctl_allocation_find(r->w.store, CTL_TRANSPORT_TCP, &key, &key, r->w.now);
}

// ---- the stream process

static struct ctl_request place_of(const struct relay *r, struct tp_stream_client stream)
{
	return (struct ctl_request){.client = r->client,
		.listener = r->listener,
		.transport = r->transport,
		.stream = stream,
		.reply_to.bytes = "way back"};
}

static bool note(struct relay *r, uint16_t kind, struct tp_stream_client of, const void *payload,
	size_t length)
{
	struct ctl_request client = place_of(r, of);
	struct ctl_far_note n = {.kind = kind,
		.stream = of.stream,
		.client = of.connection ? &client : NULL,
		.payload = payload,
		.length = length};

	r->n_sent = 0;
	return ctl_turn_far_note(r->turn, &n, r->w.now);
}

static void listened(struct relay *r, int error)
{
	struct tp_stream_listened said = {.error = error};

	assert_true(note(r, TP_STREAM_LISTENED, control_connection, &said, sizeof(said)));
}

static bool say(struct relay *r, uint16_t kind, uint32_t process, struct tp_stream_far far)
{
	struct tp_stream_client of = {.stream = process};

	if (kind == TP_STREAM_FAR_CAME)
		of.connection = control_connection.connection;
	return note(r, kind, of, &far, sizeof(far));
}

// The last one told of that kind.
static const struct told *told(const struct relay *r, uint16_t kind)
{
	for (uint32_t i = r->n_told; i-- > 0;)
		if (r->told[i].kind == kind)
			return &r->told[i];
	return NULL;
}

static struct tp_stream_far far_told(const struct relay *r, uint16_t kind)
{
	const struct told *t = told(r, kind);
	struct tp_stream_far far;

	assert_non_null(t);
	assert_true(t->length >= sizeof(far));
	memcpy(&far, t->payload, sizeof(far));
	return far;
}

// ---- the client

static void request_over_tcp(struct relay *r)
{
	request_begin(r, STUN_ALLOCATE);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_TRANSPORT, 6u << 24);
}

static void allocate(struct relay *r)
{
	relay_challenge(r);
	request_over_tcp(r);
	assert_int_equal(request_code(r), -1);
	listened(r, 0);
	assert_int_equal(r->n_sent, 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
}

static int request_connect(struct relay *r, const char *peer, uint16_t port)
{
	request_begin(r, STUN_CONNECT);
	request_peer(r, peer, port);
	return request_code(r);
}

// A connection that waits for its ConnectionBind.
static uint32_t connected(struct relay *r, uint16_t port)
{
	struct tp_stream_far far;

	assert_int_equal(request_connect(r, PEER, port), -1);
	far = far_told(r, TP_STREAM_FAR_CONNECT);
	assert_true(say(r, TP_STREAM_FAR_CONNECTED, 7, far));
	assert_int_equal(r->n_sent, 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	return far.id;
}

static uint32_t sent_id(const struct sent *s)
{
	struct stun_attr a;

	assert_true(stun_find(&s->message, STUN_ATTR_CONNECTION_ID, &a));
	assert_int_equal(a.length, 4);
	return tp_rd32(a.value);
}

// From a connection of its own.
static int request_bind(struct relay *r, struct tp_stream_client from, uint32_t id)
{
	int code;

	r->stream = from;
	r->client.port++;
	relay_challenge(r);
	request_begin(r, STUN_CONNECTION_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CONNECTION_ID, id);
	code = request_code(r);
	r->stream = control_connection;
	r->client.port--;
	return code;
}

// The answer to a ConnectionBind that came with FAR_BIND.
static int bind_answer(struct relay *r, const struct told *t)
{
	size_t length = t->length - sizeof(struct tp_stream_far);
	struct stun_message m;

	assert_int_equal(
		stun_read(t->payload + sizeof(struct tp_stream_far), length, &m), STUN_READ_OK);
	assert_int_equal(m.method, STUN_CONNECTION_BIND);
	return m.class == STUN_SUCCESS ? 0 : -1;
}

static void relearn(struct relay *r)
{
	relay_challenge(r);
}

// ---- Allocate

static void an_allocate_waits_until_somebody_listens(void **state)
{
	struct relay *r = *state;
	const struct tp_alloc_record *a;
	struct tp_stream_listen listen;

	relay_challenge(r);
	request_over_tcp(r);
	assert_int_equal(request_code(r), -1);
	a = allocation(r);
	assert_true(ctl_over_tcp(a));
	const struct told *t = told(r, TP_STREAM_LISTEN);
	assert_non_null(t);
	assert_memory_equal(&t->to, &control_connection, sizeof(t->to));
	memcpy(&listen, t->payload, sizeof(listen));
	assert_true(tp_addr_equal(&listen.relay[0], &a->relay[0]));
	assert_int_equal(listen.relay[1].ip.family, TP_FAMILY_NONE);
	listened(r, 0);
	assert_int_equal(sent_code(last_sent(r)), 0);
	struct tp_addr relayed = sent_address(last_sent(r), STUN_ATTR_XOR_RELAYED_ADDRESS);
	assert_int_equal(relayed.port, a->relay[0].port);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
	// Nothing of it is the dataplane's.
	assert_int_equal(relay_permit(r, PEER), 0);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 0);
}

static void a_port_that_is_taken_is_508_and_free_again(void **state)
{
	struct relay *r = *state;
	uint64_t ports = world_status(&r->w).ports_free[0];

	relay_challenge(r);
	request_over_tcp(r);
	assert_int_equal(request_code(r), -1);
	listened(r, EADDRINUSE);
	assert_int_equal(sent_code(last_sent(r)), 508);
	assert_null(allocation(r));
	assert_non_null(told(r, TP_STREAM_UNLISTEN));
	assert_int_equal(world_status(&r->w).ports_free[0], ports);
	// So is one that cannot be asked, or does not answer.
	r->deaf = true;
	request_over_tcp(r);
	assert_int_equal(request_code(r), 508);
	r->deaf = false;
	request_over_tcp(r);
	assert_int_equal(request_code(r), -1);
	r->w.now.now_ns += 11 * TP_NS_PER_S;
	ctl_turn_tick(r->turn, r->w.now);
	assert_int_equal(sent_code(last_sent(r)), 508);
	assert_int_equal(world_status(&r->w).ports_free[0], ports);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

static void a_connection_that_closes_meanwhile_leaves_nothing(void **state)
{
	struct relay *r = *state;
	struct ctl_request gone = place_of(r, control_connection);

	relay_challenge(r);
	request_over_tcp(r);
	assert_int_equal(request_code(r), -1);
	ctl_turn_closed(r->turn, &gone);
	assert_null(allocation(r));
	listened(r, 0); // too late
	assert_non_null(told(r, TP_STREAM_UNLISTEN));
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

// RFC 6062 section 5.1, third exception; RFC 8016 has no say.
static void what_is_udps_is_refused(void **state)
{
	static const uint8_t token[8] = {1};
	struct relay *r = *state;

	relay_challenge(r);
	request_over_tcp(r);
	stun_write_attr(&r->writer, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
	assert_int_equal(request_code(r), 400);
	request_over_tcp(r);
	stun_write_attr(&r->writer, STUN_ATTR_EVEN_PORT, token, 1);
	assert_int_equal(request_code(r), 400);
	request_over_tcp(r);
	stun_write_attr(&r->writer, STUN_ATTR_RESERVATION_TOKEN, token, 8);
	assert_int_equal(request_code(r), 400);
	request_over_tcp(r);
	stun_write_attr(&r->writer, STUN_ATTR_MOBILITY_TICKET, NULL, 0);
	assert_int_equal(request_code(r), 405);
	r->transport = CTL_TRANSPORT_DTLS;
	request_over_tcp(r);
	assert_int_equal(request_code(r), 400);
	r->transport = CTL_TRANSPORT_TCP;
	allocate(r);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x4000u << 16);
	request_peer(r, PEER, PEER_PORT);
	assert_int_equal(request_code(r), 403);
}

// ---- Connect

static void a_connect_is_answered_when_it_is_connected(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far first, second;
	struct tp_addr peer = addr(PEER, PEER_PORT);

	relay_challenge(r);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), 437);
	allocate(r);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), -1);
	first = far_told(r, TP_STREAM_FAR_CONNECT);
	assert_true(tp_addr_equal(&first.peer, &peer));
	assert_true(tp_addr_equal(&first.relay, &allocation(r)->relay[0]));
	assert_memory_equal(&first.owner, &control_connection, sizeof(first.owner));
	// Others go on meanwhile, also another Connect.
	assert_int_equal(relay_permit(r, PEER), 0);
	assert_int_equal(request_connect(r, PEER, PEER_PORT + 1), -1);
	second = far_told(r, TP_STREAM_FAR_CONNECT);
	assert_int_not_equal(second.id, first.id);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), 446);
	assert_true(say(r, TP_STREAM_FAR_CONNECTED, 7, first));
	assert_int_equal(r->n_sent, 1);
	assert_true(sent_signed(r, last_sent(r)));
	assert_int_equal(sent_id(last_sent(r)), first.id);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), 446);
	second.error = ETIMEDOUT;
	assert_true(say(r, TP_STREAM_FAR_CONNECTED, 7, second));
	assert_int_equal(sent_code(last_sent(r)), 447);
	// What has failed may be tried again, and what is closed.
	assert_int_equal(request_connect(r, PEER, PEER_PORT + 1), -1);
	assert_true(say(r, TP_STREAM_FAR_GONE, 7, first));
	assert_int_equal(request_connect(r, PEER, PEER_PORT), -1);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 2);
}

static void a_connect_is_checked_like_every_method(void **state)
{
	static const char *const denied[] = {"127.0.0.1", "10.0.0.1", "169.254.1.1", "224.0.0.1",
		"0.0.0.0", "255.255.255.255", "192.168.0.1", "100.64.0.1"};
	struct relay *r = *state;

	allocate(r);
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
		assert_int_equal(request_connect(r, denied[i], 80), 403);
	assert_int_equal(request_connect(r, "198.18.0.2", 3478), 403); // a listener
	assert_int_equal(request_connect(r, "2001:db8::1", 80), 443);
	assert_int_equal(request_connect(r, "::ffff:127.0.0.1", 80), 443);
	assert_int_equal(request_connect(r, PEER, 0), 400);
	request_begin(r, STUN_CONNECT);
	assert_int_equal(request_code(r), 400);
	r->user = "bob";
	r->password = "build";
	assert_int_equal(request_connect(r, PEER, 80), 441);
	assert_null(told(r, TP_STREAM_FAR_CONNECT));
	r->user = "alice";
	r->password = "wonder";
	r->deaf = true;
	assert_int_equal(request_connect(r, PEER, 80), 508);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 0);
}

static void of_an_allocation_of_udp_nothing_is_connected(void **state)
{
	struct relay *r = *state;

	relay_allocate(r);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), 403);
	r->w.n_commands = 0; // for teardown
	r->w.n_acked = 0;
}

static void connections_are_bounded(void **state)
{
	struct relay *r = *state;
	uint16_t port = 1000;

	allocate(r);
	for (r->n_told = 0; r->n_told < CONNECTIONS_MOST;)
		assert_int_equal(request_connect(r, PEER, port++), -1);
	r->n_told = 0;
	assert_int_equal(request_connect(r, PEER, port), 508);
	// All of them end with their control connection.
	struct ctl_request gone = place_of(r, control_connection);
	ctl_turn_closed(r->turn, &gone);
	r->deaf = true;
	r->n_sent = 0;
	assert_int_equal(ctl_allocation_delete(
				 r->w.store, allocation(r)->self, TP_END_CLOSED, r->w.now, NULL),
		0);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

// ---- peers that come

static struct tp_stream_far comes(const struct relay *r, uint32_t id)
{
	return (struct tp_stream_far){.id = id,
		.owner = control_connection,
		.relay = allocation(r)->relay[0],
		.peer = addr(PEER, PEER_PORT),
		.state = TP_STREAM_FAR_UNJUDGED};
}

static void a_peer_needs_a_permission(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far;

	allocate(r);
	far = comes(r, 0x1234);
	assert_true(say(r, TP_STREAM_FAR_CAME, 7, far));
	assert_int_equal(r->n_sent, 0);
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, 0x1234);
	assert_int_equal(relay_permit(r, PEER), 0);
	assert_true(say(r, TP_STREAM_FAR_CAME, 7, far));
	assert_int_equal(far_told(r, TP_STREAM_FAR_ADMIT).id, 0x1234);
	assert_int_equal(r->n_sent, 1);
	const struct sent *s = last_sent(r);
	assert_int_equal(s->message.class, STUN_INDICATION);
	assert_int_equal(s->message.method, STUN_CONNECTION_ATTEMPT);
	assert_int_equal(sent_id(s), 0x1234);
	struct tp_addr peer = sent_address(s, STUN_ATTR_XOR_PEER_ADDRESS);
	assert_true(tp_addr_equal(&peer, &far.peer));
	// A number that is taken, a relayed address of somebody else, and a permission that is
	// over.
	r->n_told = 0;
	assert_true(say(r, TP_STREAM_FAR_CAME, 7, far));
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, 0x1234);
	far = comes(r, 0x1235);
	far.relay.port ^= 1;
	r->n_told = 0;
	assert_true(say(r, TP_STREAM_FAR_CAME, 7, far));
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, 0x1235);
	far = comes(r, 0x1236);
	r->w.now.now_ns += 301 * TP_NS_PER_S;
	r->n_told = 0;
	assert_true(say(r, TP_STREAM_FAR_CAME, 7, far));
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, 0x1236);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 1);
}

// The relay's own address is 198.18.0.2, 203.0.113.5 for clients: both are one peer.
static void a_relay_address_has_two_forms(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far;
	struct tp_addr public = addr("203.0.113.5", 50050), private = addr("198.18.0.2", 50050);

	allocate(r);
	assert_int_equal(request_connect(r, "203.0.113.5", 50050), -1);
	far = far_told(r, TP_STREAM_FAR_CONNECT);
	assert_true(tp_addr_equal(&far.peer, &private));
	assert_int_equal(request_connect(r, "198.18.0.2", 50050), 446);
	assert_true(say(r, TP_STREAM_FAR_GONE, 7, far));
	assert_int_equal(relay_permit(r, "203.0.113.5"), 0);
	far = comes(r, 0x77);
	far.peer = private;
	assert_true(say(r, TP_STREAM_FAR_CAME, 7, far));
	assert_int_equal(r->n_sent, 1);
	struct tp_addr peer = sent_address(last_sent(r), STUN_ATTR_XOR_PEER_ADDRESS);
	assert_true(tp_addr_equal(&peer, &public));
}

// ---- ConnectionBind

static void a_bind_in_the_same_process(void **state)
{
	struct relay *r = *state;
	struct tp_stream_client data = {7, 71};
	uint32_t id;

	allocate(r);
	id = connected(r, PEER_PORT);
	assert_int_equal(request_bind(r, data, id + 1), 400);
	assert_int_equal(request_bind(r, control_connection, id), 400); // has an allocation
	r->user = "bob";
	r->password = "build";
	assert_int_equal(request_bind(r, data, id), 441);
	r->user = "alice";
	r->password = "wonder";
	r->deaf = true;
	assert_int_equal(request_bind(r, data, id), 508);
	r->deaf = false;
	assert_int_equal(request_bind(r, data, id), -1);
	const struct told *t = told(r, TP_STREAM_FAR_BIND);
	assert_non_null(t);
	assert_memory_equal(&t->to, &data, sizeof(data));
	assert_int_equal(bind_answer(r, t), 0);
	assert_int_equal(far_told(r, TP_STREAM_FAR_BIND).id, id);
	data.connection++;
	assert_int_equal(request_bind(r, data, id), 400); // once only
	assert_int_equal(ctl_turn_counters(r->turn)->successes[CTL_METHOD_CONNECTION_BIND], 1);
	r->transport = CTL_TRANSPORT_UDP;
	assert_int_equal(request_bind(r, (struct tp_stream_client){0}, id), 400);
	r->transport = CTL_TRANSPORT_TCP;
}

static void a_bind_in_another_process(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far;
	uint32_t id;

	allocate(r);
	id = connected(r, PEER_PORT);
	assert_int_equal(request_bind(r, other_process, id), -1);
	assert_null(told(r, TP_STREAM_FAR_BIND));
	const struct told *t = told(r, TP_STREAM_FAR_HAND_OVER);
	assert_non_null(t);
	assert_int_equal(t->to.stream, 7);
	// Not from whom it was not asked.
	assert_int_equal(ctl_turn_far_handed(r->turn, 9, id, &far, r->w.now), 0);
	assert_int_equal(ctl_turn_far_handed(r->turn, 7, id + 1, &far, r->w.now), 0);
	assert_int_equal(ctl_turn_far_handed(r->turn, 7, id, &far, r->w.now), 8);
	assert_int_equal(far.id, id);
	ctl_turn_far_delivered(r->turn, id, true, r->w.now);
	t = told(r, TP_STREAM_FAR_BIND);
	assert_non_null(t);
	assert_memory_equal(&t->to, &other_process, sizeof(other_process));
	assert_int_equal(bind_answer(r, t), 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
	// From now on it is that process's.
	far.up_bytes = 10;
	assert_true(say(r, TP_STREAM_FAR_BYTES, 7, far));
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, id);
	assert_int_equal(allocation(r)->snapshot.up_bytes, 0);
	assert_true(say(r, TP_STREAM_FAR_BYTES, 8, far));
	assert_int_equal(allocation(r)->snapshot.up_bytes, 10);
}

static void a_hand_over_that_fails(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far;
	struct ctl_request gone = place_of(r, other_process);
	uint32_t id;

	allocate(r);
	// The connection is gone there.
	id = connected(r, PEER_PORT);
	assert_int_equal(request_bind(r, other_process, id), -1);
	assert_true(say(r, TP_STREAM_FAR_GONE, 7, (struct tp_stream_far){.id = id}));
	assert_int_equal(sent_code(last_sent(r)), 400);
	// The other process does not take it.
	relearn(r);
	id = connected(r, PEER_PORT);
	assert_int_equal(request_bind(r, other_process, id), -1);
	assert_int_equal(ctl_turn_far_handed(r->turn, 7, id, &far, r->w.now), 8);
	ctl_turn_far_delivered(r->turn, id, false, r->w.now);
	assert_int_equal(sent_code(last_sent(r)), 508);
	// Its client does not wait.
	relearn(r);
	id = connected(r, PEER_PORT);
	assert_int_equal(request_bind(r, other_process, id), -1);
	ctl_turn_closed(r->turn, &gone);
	assert_int_equal(ctl_turn_far_handed(r->turn, 7, id, &far, r->w.now), 0);
	// The process does not answer.
	relearn(r);
	id = connected(r, PEER_PORT);
	assert_int_equal(request_bind(r, other_process, id), -1);
	r->w.now.now_ns += 11 * TP_NS_PER_S;
	ctl_turn_tick(r->turn, r->w.now);
	assert_int_equal(sent_code(last_sent(r)), 400);
	// It dies.
	relearn(r);
	id = connected(r, PEER_PORT);
	assert_int_equal(request_bind(r, other_process, id), -1);
	ctl_turn_stream_gone(r->turn, 7, r->w.now);
	assert_int_equal(sent_code(last_sent(r)), 400);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

// ---- ends

static void with_an_allocation_its_connections_end(void **state)
{
	struct relay *r = *state;
	uint32_t id;

	allocate(r);
	id = connected(r, PEER_PORT);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, id);
	assert_non_null(told(r, TP_STREAM_UNLISTEN));
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 0);
	// By its time as well.
	r->n_told = 0;
	allocate(r);
	id = connected(r, PEER_PORT);
	r->w.now.now_ns += 601 * TP_NS_PER_S;
	ctl_store_expire(r->w.store, r->w.now, 100);
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, id);
	assert_non_null(told(r, TP_STREAM_UNLISTEN));
}

static void connects_that_wait_leave_room_for_others(void **state)
{
	struct relay *r = *state;

	r->max_pending = 8;
	ctl_turn_destroy(r->turn);
	relay_create_turn(r);
	allocate(r);
	assert_int_equal(request_connect(r, PEER, 1000), -1);
	assert_int_equal(request_connect(r, PEER, 1001), -1);
	assert_int_equal(request_connect(r, PEER, 1002), 508);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 0);
}

// The dataplane comes back with an empty region, `late_s` seconds later.
static void move_region(struct relay *r, uint64_t late_s)
{
	struct world *w = &r->w;
	void *old = w->region;
	const struct tp_region_header *h = old;

	w->region = aligned_alloc(64, (w->region_bytes + 63) / 64 * 64);
	memset(w->region, 0, w->region_bytes);
	assert_int_equal(ctl_region_format(w->region, w->region_bytes, h->alloc_capacity,
				 h->peer_capacity, h->name_capacity, 9),
		0);
	w->now.now_ns += late_s * TP_NS_PER_S;
	r->n_told = 0;
	assert_int_equal(ctl_store_move(w->store, w->region, w->region_bytes, -1, w->now, NULL), 0);
	free(old);
}

static void connections_end_after_a_move_too(void **state)
{
	struct relay *r = *state;
	uint32_t id;

	allocate(r);
	id = connected(r, PEER_PORT);
	move_region(r, 0);
	assert_int_equal(r->n_told, 0);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, id);
	assert_non_null(told(r, TP_STREAM_UNLISTEN));
	// What is over by then does not come over.
	r->n_told = 0;
	allocate(r);
	id = connected(r, PEER_PORT);
	move_region(r, 601);
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, id);
	assert_non_null(told(r, TP_STREAM_UNLISTEN));
}

// What processes tell a control that knows nothing.
static void a_new_control_learns_what_there_is(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far, bound;
	struct ctl_request opened = place_of(r, control_connection);

	allocate(r);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), -1);
	far = far_told(r, TP_STREAM_FAR_CONNECT);
	ctl_turn_destroy(r->turn);
	relay_create_turn(r);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 0);
	r->n_told = 0;
	ctl_turn_opened(r->turn, &opened, r->w.now);
	assert_non_null(told(r, TP_STREAM_LISTEN));
	listened(r, 0);
	assert_null(told(r, TP_STREAM_UNLISTEN));
	far.state = TP_STREAM_FAR_CONNECTING;
	assert_true(say(r, TP_STREAM_FAR_IS, 7, far));
	// The Connect that was not answered comes again: by its transaction it is the same one.
	r->n_sent = 0;
	assert_int_equal(request_send(r), 0);
	assert_true(say(r, TP_STREAM_FAR_CONNECTED, 7, far));
	assert_int_equal(sent_id(last_sent(r)), far.id);
	// One that is bound may be anywhere, one that is not is where its control connection is.
	bound = far;
	bound.id++;
	bound.peer.port++;
	bound.state = TP_STREAM_FAR_WAITING;
	assert_true(say(r, TP_STREAM_FAR_IS, 8, bound));
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, bound.id);
	bound.state = TP_STREAM_FAR_BOUND;
	assert_true(say(r, TP_STREAM_FAR_IS, 8, bound));
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 2);
	// Of an allocation that there is not any more.
	bound.id++;
	bound.owner.connection++;
	assert_true(say(r, TP_STREAM_FAR_IS, 8, bound));
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, bound.id);
	// A listener that nobody wants.
	r->n_told = 0;
	struct tp_stream_listened said = {0};
	assert_true(note(r, TP_STREAM_LISTENED, other_process, &said, sizeof(said)));
	assert_non_null(told(r, TP_STREAM_UNLISTEN));
	// And one that cannot be had: without it the allocation is nothing.
	listened(r, EADDRINUSE);
	assert_null(allocation(r));
}

// What was relayed while there was no control counts, of connections that are over as well.
static void bytes_of_a_time_without_control_count(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far, strange;
	uint32_t id;

	allocate(r);
	id = connected(r, PEER_PORT);
	far = comes(r, PEER_PORT);
	far.id = id;
	far.state = TP_STREAM_FAR_BOUND;
	far.up_bytes = 1000;
	far.down_bytes = 20;
	ctl_turn_destroy(r->turn);
	relay_create_turn(r);
	assert_true(say(r, TP_STREAM_FAR_IS, 8, far));
	assert_int_equal(allocation(r)->snapshot.up_bytes, 1000);
	assert_int_equal(allocation(r)->snapshot.down_bytes, 20);
	far.id++;
	far.up_bytes = 5;
	far.down_bytes = 6;
	assert_true(say(r, TP_STREAM_FAR_GONE, 8, far));
	assert_int_equal(allocation(r)->snapshot.up_bytes, 1005);
	assert_int_equal(allocation(r)->snapshot.down_bytes, 26);
	strange = far;
	strange.relay.port++;
	assert_true(say(r, TP_STREAM_FAR_GONE, 8, strange));
	strange = far;
	strange.owner.connection++;
	assert_true(say(r, TP_STREAM_FAR_GONE, 8, strange));
	assert_int_equal(allocation(r)->snapshot.up_bytes, 1005);
}

// A process that has lost its mind makes no more of an allocation's connections than there may be.
static void what_processes_say_to_exist_is_bounded(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far;

	allocate(r);
	far = comes(r, PEER_PORT);
	far.state = TP_STREAM_FAR_BOUND;
	for (uint32_t i = 0; i < CONNECTIONS_MOST; i++) {
		far.id = 1000 + i;
		far.peer.port = (uint16_t)(2000 + i);
		assert_true(say(r, TP_STREAM_FAR_IS, 8, far));
	}
	assert_null(told(r, TP_STREAM_FAR_CLOSE));
	far.id++;
	far.peer.port++;
	assert_true(say(r, TP_STREAM_FAR_IS, 8, far));
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, far.id);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, CONNECTIONS_MOST);
}

static void a_connect_that_no_process_answers_has_an_end(void **state)
{
	struct relay *r = *state;
	uint32_t id;

	allocate(r);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), -1);
	id = far_told(r, TP_STREAM_FAR_CONNECT).id;
	world_pass(&r->w, 39 * TP_NS_PER_S);
	ctl_turn_tick(r->turn, r->w.now);
	assert_null(told(r, TP_STREAM_FAR_CLOSE));
	world_pass(&r->w, 2 * TP_NS_PER_S);
	ctl_turn_tick(r->turn, r->w.now);
	assert_int_equal(far_told(r, TP_STREAM_FAR_CLOSE).id, id);
	assert_int_equal(sent_code(last_sent(r)), 447);
	assert_int_equal(ctl_turn_counters(r->turn)->connections, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

static void where_tcp_is_not_relayed_its_allocations_stay(void **state)
{
	struct relay *r = *state;

	allocate(r);
	r->conf.relay.tcp = false;
	assert_int_equal(ctl_turn_renew(r->turn, &r->conf), 0);
	assert_int_equal(request_connect(r, PEER, PEER_PORT), -1);
	assert_non_null(told(r, TP_STREAM_FAR_CONNECT));
	r->stream.connection++;
	request_over_tcp(r);
	assert_int_equal(request_code(r), 442);
	r->conf.relay.tcp = true;
	assert_int_equal(ctl_turn_renew(r->turn, &r->conf), 0);
	request_over_tcp(r);
	assert_int_equal(request_code(r), -1);
	r->stream.connection--;
}

static void notes_that_contradict_themselves(void **state)
{
	struct relay *r = *state;
	struct tp_stream_far far;
	struct tp_stream_listened said = {.error = INT32_MIN};

	allocate(r);
	far = comes(r, 5);
	assert_false(note(r, TP_STREAM_FAR_IS, control_connection, &far, sizeof(far) - 1));
	assert_false(note(r, TP_STREAM_LISTENED, control_connection, &far, sizeof(far)));
	assert_false(note(r, TP_STREAM_LISTENED, control_connection, &said, sizeof(said)));
	assert_false(
		note(r, TP_STREAM_FAR_CAME, (struct tp_stream_client){7, 0}, &far, sizeof(far)));
	far.id = 0;
	assert_false(say(r, TP_STREAM_FAR_CAME, 7, far));
	far = comes(r, 5);
	far.peer.port = 0;
	assert_false(say(r, TP_STREAM_FAR_CAME, 7, far));
	far = comes(r, 5);
	far.peer.ip.family = TP_FAMILY_STREAM;
	assert_false(say(r, TP_STREAM_FAR_IS, 7, far));
	far = comes(r, 5);
	far.state = 5;
	assert_false(say(r, TP_STREAM_FAR_IS, 7, far));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(an_allocate_waits_until_somebody_listens),
		T(a_port_that_is_taken_is_508_and_free_again),
		T(a_connection_that_closes_meanwhile_leaves_nothing),
		T(what_is_udps_is_refused),
		T(a_connect_is_answered_when_it_is_connected),
		T(a_connect_is_checked_like_every_method),
		T(of_an_allocation_of_udp_nothing_is_connected),
		T(connections_are_bounded),
		T(a_peer_needs_a_permission),
		T(a_relay_address_has_two_forms),
		T(a_bind_in_the_same_process),
		T(a_bind_in_another_process),
		T(a_hand_over_that_fails),
		T(with_an_allocation_its_connections_end),
		T(connects_that_wait_leave_room_for_others),
		T(connections_end_after_a_move_too),
		T(a_new_control_learns_what_there_is),
		T(bytes_of_a_time_without_control_count),
		T(what_processes_say_to_exist_is_bounded),
		T(a_connect_that_no_process_answers_has_an_end),
		T(where_tcp_is_not_relayed_its_allocations_stay),
		T(notes_that_contradict_themselves),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
