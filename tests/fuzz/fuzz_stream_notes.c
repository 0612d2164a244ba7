// SPDX-License-Identifier: BSD-3-Clause
// What a hostile stream process says to control: its greeting, and notes in its ring. No request of
// a connection that was not announced comes through, none is announced for a listener that is not
// configured, and there are never more than allowed.
#include <stdlib.h>

#include <sys/socket.h>
#include <unistd.h>

#include "common/abi/sizes.h"
#include "common/wire/stun.h"
#include "control/io/stream_attach.h"
#include "tests/fuzz/script.h"

#define CLIENTS 3

enum { OP_OPENED, OP_NOTE, OP_DRAIN, OP_RESPONSE, OP_READ, OP_GREETING, OPS };
// Beside those: whole bytes.
enum { OP_TELL = 0xf0, OP_GONE = 0xf1, OP_FIND = 0xf2 };

struct scene {
	struct ctl_stream stream;
	struct ctl_stream_link link;
	struct ctl_stream_in in;
	struct tp_ring request, response; // the stream's ends
	struct conf conf;
	const uint8_t *end;
	uint32_t drained;
};

static void on_request(void *context, const struct ctl_request *q)
{
	struct scene *s = context;

	FUZZ_CHECK(ctl_stream_clients_find(&s->stream.clients, q->stream.connection));
	FUZZ_CHECK(q->stream.stream == s->stream.number && q->length <= TP_STREAM_NOTE_PAYLOAD);
	FUZZ_CHECK(q->transport == CTL_TRANSPORT_TCP || q->transport == CTL_TRANSPORT_DTLS);
	FUZZ_CHECK(q->listener.port == 3478 && !s->stream.gone);
	FUZZ_CHECK(q->client.port != 0 && q->client.ip.family == q->listener.ip.family); // no proxy
	if (q->length == 2 && q->stream.connection == 2)
		fuzz_canary(s->end);
}

static void on_closed(void *context, const struct ctl_request *gone)
{
	struct scene *s = context;

	FUZZ_CHECK(!ctl_stream_clients_find(&s->stream.clients, gone->stream.connection));
}

static void on_ready(void *context, struct ctl_stream *stream)
{
	FUZZ_CHECK(stream->ready);
}

static void on_counted(
	void *context, struct tp_stream_client client, const struct tp_stream_counters *counters)
{
	struct scene *s = context;

	FUZZ_CHECK(client.stream == s->stream.number);
	FUZZ_CHECK(ctl_stream_clients_find(&s->stream.clients, client.connection));
}

static void on_opened(void *context, const struct ctl_request *opened)
{
	struct scene *s = context;

	FUZZ_CHECK(ctl_stream_clients_find(&s->stream.clients, opened->stream.connection));
}

static bool on_far(void *context, const struct ctl_far_note *n)
{
	struct scene *s = context;

	FUZZ_CHECK(n->stream == s->stream.number && n->length <= TP_STREAM_NOTE_PAYLOAD);
	FUZZ_CHECK(!n->client ||
		   ctl_stream_clients_find(&s->stream.clients, n->client->stream.connection));
	return n->length % 2 == 0;
}

// As a stream gets it; its ends are over the same memory.
static void open_scene(struct scene *s)
{
	static const struct tp_siphash_key key;
	int pair[2];

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	FUZZ_CHECK(ctl_stream_link_open(pair[0], &s->link, &s->stream) == 0);
	ctl_stream_refuse(pair[0], TP_REFUSED_BUSY, 1);
	close(pair[0]);
	close(pair[1]);
	FUZZ_CHECK(ctl_stream_clients_init(&s->stream.clients, CLIENTS, &key) == 0);
	size_t bytes = tp_ring_bytes(TP_STREAM_REQUEST_SLOTS, TP_PACKET_SLOT_BYTES);
	FUZZ_CHECK(tp_ring_producer_init(&s->request, s->stream.request.shared, bytes,
			   TP_STREAM_REQUEST_SLOTS, TP_PACKET_SLOT_BYTES, -1) == 0);
	FUZZ_CHECK(tp_ring_consumer_init(&s->response, s->stream.response.shared, bytes,
			   TP_STREAM_RESPONSE_SLOTS, TP_PACKET_SLOT_BYTES, -1) == 0);
	s->stream.number = 9;
	s->conf.n_listeners = 1;
	s->conf.listeners[0] = (struct conf_listener){.address = tp_ip4(0xc6120002),
		.port = 3478,
		.transports = CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP | CONF_TRANSPORT_DTLS};
	s->in = (struct ctl_stream_in){.conf = &s->conf,
		.request = on_request,
		.closed = on_closed,
		.ready = on_ready,
		.counted = on_counted,
		.opened = on_opened,
		.far = on_far,
		.context = s};
}

static void publish(struct scene *s, struct tp_stream_note *n, const void *payload, size_t length)
{
	struct tp_stream_note *slot = tp_ring_reserve(&s->request);

	if (!slot)
		return;
	memcpy(slot, n, sizeof(*n));
	memcpy(slot->payload, payload, length);
	tp_ring_commit(&s->request);
	tp_ring_flush(&s->request);
}

// A good announcement, or one with some bytes changed.
static void opened(struct scene *s, struct fuzz_script *script)
{
	struct tp_stream_opened o = {.client = {.ip = tp_ip4(0xc612000a), .port = 4000},
		.listener = {.ip = tp_ip4(0xc6120002), .port = 3478},
		.transport = TP_STREAM_TCP};
	struct tp_stream_note n = {
		.kind = TP_STREAM_OPENED, .length = sizeof(o), .connection = fuzz_u8(script)};
	uint8_t at = fuzz_u8(script);

	if (at < sizeof(o))
		((uint8_t *)&o)[at] = fuzz_u8(script);
	publish(s, &n, &o, sizeof(o));
}

static void note(struct scene *s, struct fuzz_script *script)
{
	struct tp_stream_note n = {.kind = fuzz_u8(script), .connection = fuzz_u8(script)};
	uint8_t payload[64];

	n.length = fuzz_u16(script);
	publish(s, &n, payload, fuzz_take(script, payload, n.length % sizeof(payload)));
}

static void greeting(struct fuzz_script *script)
{
	struct tp_stream_hello hello = {.hello = {.header = {.magic = TP_ABI_MAGIC,
							  .major = TP_ABI_MAJOR,
							  .type = TP_MSG_HELLO,
							  .length_bytes = sizeof(hello)},
						.role = TP_ROLE_STREAM},
				       .stream = 1},
			       out;
	uint8_t at = fuzz_u8(script), less = fuzz_u8(script);
	size_t length = sizeof(hello) - (less < sizeof(hello) ? less : 0);

	tp_sizes_fill(hello.hello.sizes);
	if (at < sizeof(hello))
		((uint8_t *)&hello)[at] = fuzz_u8(script);
	uint8_t *exact = malloc(length);
	FUZZ_CHECK(exact);
	memcpy(exact, &hello, length);
	int refusal = ctl_stream_greeting(exact, length, &out);
	FUZZ_CHECK(refusal != 0 || (out.stream != 0 && out.hello.role == TP_ROLE_STREAM));
	free(exact);
}

static void respond(struct scene *s, struct fuzz_script *script)
{
	uint8_t bytes[STUN_HEADER_BYTES] = {0}, times;
	uint8_t connection = fuzz_u8(script);

	bytes[0] = fuzz_u8(script) & 0x3f;
	bytes[1] = fuzz_u8(script);
	times = fuzz_u8(script);
	for (unsigned int i = 0; i < 1 + 8u * times; i++)
		ctl_stream_send(&s->in, &s->stream, connection, bytes,
			times == 7 ? STUN_HEADER_BYTES - 1 : sizeof(bytes));
	tp_ring_flush(&s->stream.response);
}

static void read_responses(struct scene *s)
{
	while (tp_ring_front(&s->response))
		tp_ring_pop(&s->response);
}

static void tell(struct scene *s, struct fuzz_script *script)
{
	uint8_t payload[64], times = fuzz_u8(script), length = fuzz_u8(script) % sizeof(payload);

	fuzz_take(script, payload, length);
	for (unsigned int i = 0; i < 1 + 8u * times; i++)
		ctl_stream_put(&s->stream, TP_STREAM_FAR_CONNECT, 5, payload, length);
	tp_ring_flush(&s->stream.response);
}

// Of those over DTLS, any that is there is found.
static void find(const struct scene *s, struct fuzz_script *script)
{
	const struct ctl_stream_client *c = ctl_stream_clients_find(
					       &s->stream.clients, fuzz_u8(script)),
				       *same;

	if (!c)
		return;
	same = ctl_stream_clients_find_dtls(&s->stream.clients, &c->client, &c->listener);
	FUZZ_CHECK(same ? same->transport == TP_STREAM_DTLS_CLIENT &&
				   tp_addr_equal(&same->client, &c->client)
			: c->transport != TP_STREAM_DTLS_CLIENT);
}

static void step(struct scene *s, struct fuzz_script *script)
{
	uint8_t what = fuzz_u8(script);

	switch (what >= OP_TELL && what <= OP_FIND ? what : what % OPS) {
	case OP_TELL:
		tell(s, script);
		break;
	case OP_GONE:
		ctl_stream_drain_last(&s->in, &s->stream);
		break;
	case OP_FIND:
		find(s, script);
		break;
	case OP_OPENED:
		opened(s, script);
		break;
	case OP_NOTE:
		note(s, script);
		break;
	case OP_DRAIN:
		ctl_stream_drain(&s->in, &s->stream, 1 + fuzz_u8(script) % 8);
		break;
	case OP_RESPONSE:
		respond(s, script);
		break;
	case OP_READ:
		read_responses(s);
		break;
	case OP_GREETING:
		greeting(script);
		break;
	}
	FUZZ_CHECK(s->stream.clients.count <= CLIENTS);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script script = fuzz_script(data, size);
	struct scene s = {.end = data + size};

	open_scene(&s);
	while (fuzz_left(&script) > 0)
		step(&s, &script);
	ctl_stream_drain(&s.in, &s.stream, UINT32_MAX);
	ctl_stream_clients_fini(&s.stream.clients);
	ctl_stream_link_close(&s.link);
}
