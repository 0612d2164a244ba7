// SPDX-License-Identifier: BSD-3-Clause
// Notes of a stream process, and what it is told; hostile ones above all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// After those.
#include <cmocka.h>

#include "common/wire/stun.h"
#include "control/io/stream_in.h"

#define SLOTS   128
#define CLIENTS 4

struct world {
	void *memory[2];
	struct tp_ring theirs_request, theirs_response; // the stream's ends
	struct ctl_stream stream;
	struct ctl_stream_in in;
	struct conf conf;
	struct ctl_request last, gone;
	uint8_t bytes[TP_PACKET_SLOT_BYTES];
	uint32_t counted;
	struct tp_stream_counters counters;
	struct ctl_far_note far;
	struct ctl_request far_client;
	unsigned int requests, closed, ready, opened, fars;
};

static void on_request(void *context, const struct ctl_request *request)
{
	struct world *w = context;

	w->last = *request;
	memcpy(w->bytes, request->bytes, request->length);
	w->requests++;
}

static void on_closed(void *context, const struct ctl_request *gone)
{
	struct world *w = context;

	w->gone = *gone;
	w->closed++;
}

static void on_ready(void *context, struct ctl_stream *stream)
{
	struct world *w = context;

	assert_ptr_equal(stream, &w->stream);
	w->ready++;
}

static void on_counted(
	void *context, struct tp_stream_client client, const struct tp_stream_counters *counters)
{
	struct world *w = context;

	assert_int_equal(client.stream, 9);
	w->counted = client.connection;
	w->counters = *counters;
}

static void on_opened(void *context, const struct ctl_request *opened)
{
	struct world *w = context;

	w->last = *opened;
	w->opened++;
}

static bool on_far(void *context, const struct ctl_far_note *note)
{
	struct world *w = context;

	w->far = *note;
	w->far_client = note->client ? *note->client : (struct ctl_request){0};
	w->fars++;
	return note->length > 0;
}

static int setup(void **state)
{
	static const struct tp_siphash_key key = {.bytes = {1}};
	size_t bytes = tp_ring_bytes(SLOTS, TP_PACKET_SLOT_BYTES);
	struct world *w = calloc(1, sizeof(*w));

	for (int i = 0; i < 2; i++) {
		w->memory[i] = aligned_alloc(64, bytes);
		memset(w->memory[i], 0, bytes);
	}
	assert_int_equal(tp_ring_producer_init(&w->theirs_request, w->memory[0], bytes, SLOTS,
				 TP_PACKET_SLOT_BYTES, -1),
		0);
	assert_int_equal(tp_ring_consumer_init(&w->stream.request, w->memory[0], bytes, SLOTS,
				 TP_PACKET_SLOT_BYTES, -1),
		0);
	assert_int_equal(tp_ring_producer_init(&w->stream.response, w->memory[1], bytes, SLOTS,
				 TP_PACKET_SLOT_BYTES, -1),
		0);
	assert_int_equal(tp_ring_consumer_init(&w->theirs_response, w->memory[1], bytes, SLOTS,
				 TP_PACKET_SLOT_BYTES, -1),
		0);
	w->conf.n_listeners = 2;
	w->conf.listeners[0] = (struct conf_listener){.address = tp_ip4(0xc6120002),
		.port = 3478,
		.transports = CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP};
	w->conf.listeners[1] = (struct conf_listener){
		.address = tp_ip4(0xc6120002), .port = 5349, .transports = CONF_TRANSPORT_TLS};
	w->stream.number = 9;
	assert_int_equal(ctl_stream_clients_init(&w->stream.clients, CLIENTS, &key), 0);
	w->in = (struct ctl_stream_in){.conf = &w->conf,
		.request = on_request,
		.closed = on_closed,
		.ready = on_ready,
		.counted = on_counted,
		.opened = on_opened,
		.far = on_far,
		.context = w};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	ctl_stream_clients_fini(&w->stream.clients);
	free(w->memory[0]);
	free(w->memory[1]);
	free(w);
	return 0;
}

static struct tp_stream_note *note(struct world *w, uint16_t kind, uint32_t connection)
{
	struct tp_stream_note *n = tp_ring_reserve(&w->theirs_request);

	assert_non_null(n);
	memset(n, 0, TP_PACKET_SLOT_BYTES);
	n->kind = kind;
	n->connection = connection;
	tp_ring_commit(&w->theirs_request);
	return n;
}

static bool drain(struct world *w, uint32_t max)
{
	tp_ring_flush(&w->theirs_request);
	return ctl_stream_drain(&w->in, &w->stream, max);
}

static struct tp_stream_opened opened(uint16_t port)
{
	return (struct tp_stream_opened){.client = {.ip = tp_ip4(0xc612000a), .port = port},
		.listener = {.ip = tp_ip4(0xc6120002), .port = 3478},
		.transport = TP_STREAM_TCP};
}

static void announce(struct world *w, uint32_t connection, const struct tp_stream_opened *o)
{
	struct tp_stream_note *n = note(w, TP_STREAM_OPENED, connection);

	n->length = sizeof(*o);
	memcpy(n->payload, o, sizeof(*o));
	drain(w, 8);
}

static void open_client(struct world *w, uint32_t connection)
{
	struct tp_stream_opened o = opened((uint16_t)(4000 + connection));

	announce(w, connection, &o);
}

// What the stream is told next; 0: nothing.
static uint16_t told(struct world *w, uint32_t *connection)
{
	const struct tp_stream_note *n;
	uint16_t kind;

	tp_ring_flush(&w->stream.response);
	n = tp_ring_front(&w->theirs_response);
	if (!n)
		return 0;
	kind = n->kind;
	*connection = n->connection;
	tp_ring_pop(&w->theirs_response);
	return kind;
}

static void respond(struct world *w, uint32_t connection, enum stun_class class, uint16_t method)
{
	uint16_t type = stun_type(class, method);
	uint8_t bytes[STUN_HEADER_BYTES] = {(uint8_t)(type >> 8), (uint8_t)type};

	ctl_stream_send(&w->in, &w->stream, connection, bytes, sizeof(bytes));
}

static void a_request_goes_in_and_its_response_out(void **state)
{
	struct world *w = *state;
	const struct tp_stream_note *got;
	uint8_t response[STUN_HEADER_BYTES] = {1, 3, 0, 0, 7};
	struct tp_stream_note *n;

	open_client(w, 5);
	n = note(w, TP_STREAM_REQUEST, 5);
	n->length = 3;
	memcpy(n->payload, "abc", 3);
	assert_false(drain(w, 8));
	assert_int_equal(w->requests, 1);
	assert_int_equal(w->last.length, 3);
	assert_memory_equal(w->bytes, "abc", 3);
	assert_int_equal(w->last.transport, CTL_TRANSPORT_TCP);
	assert_int_equal(w->last.client.port, 4005);
	assert_int_equal(w->last.listener.port, 3478);
	assert_int_equal(w->last.stream.stream, 9);
	assert_int_equal(w->last.stream.connection, 5);
	assert_int_equal(w->last.reply_to.stream.stream, 9);

	ctl_stream_send(
		&w->in, &w->stream, w->last.reply_to.stream.connection, response, sizeof(response));
	assert_null(tp_ring_front(&w->theirs_response));
	tp_ring_flush(&w->stream.response);
	got = tp_ring_front(&w->theirs_response);
	assert_non_null(got);
	assert_int_equal(got->kind, TP_STREAM_RESPONSE);
	assert_int_equal(got->connection, 5);
	assert_int_equal(got->length, sizeof(response));
	assert_memory_equal(got->payload, response, sizeof(response));
}

static void nobody_speaks_for_who_was_not_announced(void **state)
{
	struct world *w = *state;

	open_client(w, 5);
	note(w, TP_STREAM_REQUEST, 6);
	note(w, TP_STREAM_CLOSED, 6);
	note(w, TP_STREAM_CLOSED, 0);
	drain(w, 8);
	assert_int_equal(w->requests, 0);
	assert_int_equal(w->closed, 0);
	assert_int_equal(w->in.counters.unannounced, 3);
	respond(w, 6, STUN_SUCCESS, STUN_ALLOCATE);
	assert_int_equal(w->in.counters.lost, 1);
}

static void hostile_notes_are_counted(void **state)
{
	struct world *w = *state;
	struct tp_stream_opened o;
	uint32_t connection, malformed = 0;

	note(w, TP_STREAM_REQUEST, 5)->length = TP_STREAM_NOTE_PAYLOAD + 1;
	note(w, TP_STREAM_OPENED, 5)->length = UINT16_MAX;
	note(w, 0, 0);
	note(w, TP_STREAM_RESPONSE, 0); // ours to say
	note(w, UINT16_MAX, 0);
	drain(w, 8);
	malformed = 5;
	note(w, TP_STREAM_OPENED, 5)->length = sizeof(o) - 1;
	drain(w, 8);
	assert_int_equal(w->in.counters.malformed, ++malformed);
	o = opened(1);
	announce(w, 0, &o); // no number
	assert_int_equal(w->in.counters.malformed, ++malformed);
#define BAD(change)                                                                                \
	do {                                                                                       \
		o = opened(1);                                                                     \
		change;                                                                            \
		announce(w, 5, &o);                                                                \
		assert_int_equal(w->in.counters.malformed, ++malformed);                           \
	} while (0)
	BAD(o.client.ip.family = TP_FAMILY_STREAM);
	BAD(o.client.ip.family = TP_FAMILY_IPV6); // not the listener's
	BAD(o.client.port = 0);
	BAD(o.client.ip.bytes[5] = 1);
	BAD(o.listener.ip.family = 0);
	BAD(o.listener.pad = 1);
	BAD(o.transport = 0);
	BAD(o.transport = 4);
#undef BAD
	open_client(w, 5);
	o = opened(1);
	announce(w, 5, &o); // twice
	assert_int_equal(w->in.counters.malformed, ++malformed);
	assert_int_equal(ctl_stream_clients_find(&w->stream.clients, 5)->client.port, 4005);
	assert_int_equal(told(w, &connection), 0);
	assert_int_equal(w->requests + w->closed + w->ready, 0);
}

static void clients_of_other_listeners_are_closed(void **state)
{
	struct world *w = *state;
	struct tp_stream_opened o = opened(1);
	uint32_t connection;

	o.transport = TP_STREAM_TLS; // that listener has none
	announce(w, 5, &o);
	assert_int_equal(told(w, &connection), TP_STREAM_CLOSE);
	assert_int_equal(connection, 5);
	o.listener.port = 5349;
	announce(w, 6, &o);
	assert_int_equal(told(w, &connection), 0);
	o.listener.ip.bytes[3] = 77;
	announce(w, 7, &o);
	assert_int_equal(told(w, &connection), TP_STREAM_CLOSE);
	assert_int_equal(w->in.counters.not_listener, 2);
	assert_int_equal(w->stream.clients.count, 1);
}

static void counters_are_of_a_connection_that_is_there(void **state)
{
	const struct tp_stream_counters counters = {7, 7000, 64};
	const struct {
		uint32_t connection;
		uint16_t length;
	} notes[] = {{6, sizeof(counters)}, {5, sizeof(counters) - 1}, {5, sizeof(counters) + 1},
		{5, sizeof(counters)}};
	struct world *w = *state;

	open_client(w, 5);
	for (size_t i = 0; i < 4; i++) {
		struct tp_stream_note *n = note(w, TP_STREAM_COUNTERS, notes[i].connection);

		n->length = notes[i].length;
		memcpy(n->payload, &counters, sizeof(counters));
		drain(w, 8);
		assert_int_equal(w->counted, i == 3 ? 5 : 0);
	}
	assert_memory_equal(&w->counters, &counters, sizeof(counters));
	assert_int_equal(w->in.counters.unannounced, 1);
	assert_int_equal(w->in.counters.malformed, 2);
}

static void proxies_come_where_they_are_allowed(void **state)
{
	struct world *w = *state;
	struct tp_stream_opened o = opened(4000);
	uint32_t connection;

	o.proxied = 1;
	announce(w, 5, &o); // no proxy comes there
	assert_int_equal(told(w, &connection), TP_STREAM_CLOSE);
	w->conf.listeners[0].proxy_protocol = true;
	assert_int_equal(tp_ip_parse("2001:db8::1", &o.client.ip), 0);
	announce(w, 6, &o); // behind it clients are of any family
	assert_int_equal(told(w, &connection), 0);
	assert_true(ctl_stream_clients_find(&w->stream.clients, 6)->proxied);
	o.proxied = 0;
	announce(w, 7, &o);
	o.proxied = 2;
	announce(w, 8, &o);
	assert_int_equal(w->in.counters.malformed, 2);
	assert_int_equal(w->stream.clients.count, 1);
	open_client(w, 9); // a proxy for itself
	assert_false(ctl_stream_clients_find(&w->stream.clients, 9)->proxied);
}

static void there_are_as_many_clients_as_allowed(void **state)
{
	struct world *w = *state;
	uint32_t connection;

	for (uint32_t i = 1; i <= CLIENTS; i++)
		open_client(w, i);
	assert_int_equal(told(w, &connection), 0);
	open_client(w, 99);
	assert_int_equal(told(w, &connection), TP_STREAM_CLOSE);
	assert_int_equal(connection, 99);
	assert_int_equal(w->in.counters.too_many, 1);
	note(w, TP_STREAM_CLOSED, 2);
	drain(w, 8);
	open_client(w, 99);
	assert_int_equal(told(w, &connection), 0);
	assert_int_equal(w->stream.clients.count, CLIENTS);
}

static void the_end_of_a_connection_is_told_once(void **state)
{
	struct world *w = *state;

	open_client(w, 5);
	note(w, TP_STREAM_CLOSED, 5);
	note(w, TP_STREAM_CLOSED, 5);
	drain(w, 8);
	assert_int_equal(w->closed, 1);
	assert_int_equal(w->gone.stream.connection, 5);
	assert_int_equal(w->gone.client.port, 4005);
	assert_int_equal(w->in.counters.unannounced, 1);
	assert_int_equal(w->stream.clients.count, 0);
}

static void ready_comes_after_the_clients(void **state)
{
	struct world *w = *state;

	open_client(w, 5);
	assert_false(w->stream.ready);
	note(w, TP_STREAM_READY, 0);
	drain(w, 8);
	assert_true(w->stream.ready);
	assert_int_equal(w->ready, 1);
}

static void who_only_fails_is_closed(void **state)
{
	struct world *w = *state;
	uint32_t connection;

	open_client(w, 5);
	for (int i = 0; i < CTL_STREAM_FAILURES - 1; i++)
		respond(w, 5, STUN_ERROR, STUN_ALLOCATE);
	respond(w, 5, STUN_SUCCESS, STUN_BINDING); // anybody's
	while (told(w, &connection) == TP_STREAM_RESPONSE)
		;
	respond(w, 5, STUN_ERROR, STUN_ALLOCATE);
	assert_int_equal(told(w, &connection), TP_STREAM_RESPONSE);
	assert_int_equal(told(w, &connection), TP_STREAM_CLOSE);
	assert_int_equal(connection, 5);
	assert_int_equal(w->in.counters.failing, 1);
}

static void a_success_forgives(void **state)
{
	struct world *w = *state;
	uint32_t connection;

	open_client(w, 5);
	for (int i = 0; i < 3 * CTL_STREAM_FAILURES; i++) {
		respond(w, 5, i % 32 ? STUN_ERROR : STUN_SUCCESS, STUN_CREATE_PERMISSION);
		assert_int_equal(told(w, &connection), TP_STREAM_RESPONSE);
	}
	assert_int_equal(w->in.counters.failing, 0);
}

static void a_turn_has_a_budget(void **state)
{
	struct world *w = *state;

	open_client(w, 5);
	for (int i = 0; i < 10; i++)
		note(w, TP_STREAM_REQUEST, 5);
	assert_true(drain(w, 4));
	assert_int_equal(w->requests, 4);
	assert_true(drain(w, 4));
	assert_false(drain(w, 4));
	assert_int_equal(w->requests, 10);
}

static void a_full_ring_loses_responses_and_nothing_else(void **state)
{
	struct world *w = *state;

	open_client(w, 5);
	for (int i = 0; i < SLOTS + 3; i++)
		respond(w, 5, STUN_SUCCESS, STUN_REFRESH);
	assert_int_equal(w->in.counters.sent, SLOTS);
	assert_int_equal(w->in.counters.response_full, 3);
	assert_false(ctl_stream_tell(&w->stream, TP_STREAM_RELOAD, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_request_goes_in_and_its_response_out),
		T(nobody_speaks_for_who_was_not_announced),
		T(hostile_notes_are_counted),
		T(clients_of_other_listeners_are_closed),
		T(counters_are_of_a_connection_that_is_there),
		T(proxies_come_where_they_are_allowed),
		T(there_are_as_many_clients_as_allowed),
		T(the_end_of_a_connection_is_told_once),
		T(ready_comes_after_the_clients),
		T(who_only_fails_is_closed),
		T(a_success_forgives),
		T(a_turn_has_a_budget),
		T(a_full_ring_loses_responses_and_nothing_else),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
