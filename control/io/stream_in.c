// SPDX-License-Identifier: BSD-3-Clause
#include "control/io/stream_in.h"

#include <errno.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/wire/stun.h"
#include "control/dpcmd/valid.h"

static_assert((int)TP_STREAM_TCP == CTL_TRANSPORT_TCP);
static_assert((int)TP_STREAM_TLS == CTL_TRANSPORT_TLS);
static_assert((int)TP_STREAM_DTLS_CLIENT == CTL_TRANSPORT_DTLS);

union slot {
	struct tp_stream_note note;
	uint8_t bytes[TP_PACKET_SLOT_BYTES];
};

// ---- what a stream says

static bool sane(const struct tp_stream_note *n, const struct tp_stream_opened *o)
{
	return n->connection != 0 && n->length == sizeof(*o) && ctl_addr_valid(&o->client) &&
	       ctl_addr_valid(&o->listener) && o->proxied <= 1 &&
	       (o->proxied || o->client.ip.family == o->listener.ip.family) &&
	       o->transport >= TP_STREAM_TCP && o->transport <= TP_STREAM_DTLS_CLIENT;
}

static bool serves(const struct conf *conf, const struct tp_stream_opened *o)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		if ((l->transports & 1u << o->transport) && l->port == o->listener.port &&
			tp_ip_equal(&l->address, &o->listener.ip) &&
			(l->proxy_protocol || !o->proxied))
			return true;
	}
	return false;
}

static struct ctl_request request_of(const struct ctl_stream *s, const struct ctl_stream_client *c)
{
	struct tp_stream_client client = {.stream = s->number, .connection = c->connection};

	return (struct ctl_request){.client = c->client,
		.listener = c->listener,
		.transport = c->transport,
		.stream = client,
		.reply_to.stream = client};
}

static void tell_opened(struct ctl_stream_in *in, struct ctl_stream *s, uint32_t connection)
{
	struct ctl_request request =
		request_of(s, ctl_stream_clients_find(&s->clients, connection));

	in->opened(in->context, &request);
}

// Who is not taken is told to go: nobody else would answer it.
static void take_opened(
	struct ctl_stream_in *in, struct ctl_stream *s, const struct tp_stream_note *n)
{
	struct tp_stream_opened opened;

	memcpy(&opened, n->payload, sizeof(opened));
	if (!sane(n, &opened)) {
		in->counters.malformed++;
		return;
	}
	if (!serves(in->conf, &opened)) {
		in->counters.not_listener++;
		ctl_stream_tell(s, TP_STREAM_CLOSE, n->connection);
		return;
	}
	switch (ctl_stream_clients_add(&s->clients, n->connection, &opened)) {
	case 0:
		tell_opened(in, s, n->connection);
		return;
	case -EEXIST:
		in->counters.malformed++;
		return;
	default:
		in->counters.too_many++;
		ctl_stream_tell(s, TP_STREAM_CLOSE, n->connection);
	}
}

// Of TCP allocations; about a client or not.
static void take_far(struct ctl_stream_in *in, struct ctl_stream *s, const struct tp_stream_note *n)
{
	const struct ctl_stream_client *c = ctl_stream_clients_find(&s->clients, n->connection);
	struct ctl_request client;
	struct ctl_far_note note = {
		.kind = n->kind, .stream = s->number, .payload = n->payload, .length = n->length};

	if (c) {
		client = request_of(s, c);
		note.client = &client;
	}
	if (!in->far(in->context, &note))
		in->counters.malformed++;
}

static void take_about_client(
	struct ctl_stream_in *in, struct ctl_stream *s, const struct tp_stream_note *n)
{
	const struct ctl_stream_client *c = ctl_stream_clients_find(&s->clients, n->connection);
	struct ctl_request request;

	if (!c) {
		in->counters.unannounced++;
		return;
	}
	request = request_of(s, c);
	if (n->kind == TP_STREAM_CLOSED) {
		ctl_stream_clients_remove(&s->clients, n->connection);
		in->closed(in->context, &request);
		return;
	}
	in->counters.received++;
	request.bytes = n->payload;
	request.length = n->length;
	in->request(in->context, &request);
}

static void take_counters(
	struct ctl_stream_in *in, struct ctl_stream *s, const struct tp_stream_note *n)
{
	const struct ctl_stream_client *c = ctl_stream_clients_find(&s->clients, n->connection);
	struct tp_stream_counters counters;

	if (n->length != sizeof(counters)) {
		in->counters.malformed++;
		return;
	}
	if (!c) {
		in->counters.unannounced++;
		return;
	}
	memcpy(&counters, n->payload, sizeof(counters));
	in->counted(in->context, request_of(s, c).stream, &counters);
}

static bool is_of_an_end(uint16_t kind)
{
	return kind == TP_STREAM_CLOSED || kind == TP_STREAM_FAR_IS ||
	       kind == TP_STREAM_FAR_BYTES || kind == TP_STREAM_FAR_GONE;
}

static void take_note(
	struct ctl_stream_in *in, struct ctl_stream *s, const struct tp_stream_note *n)
{
	if (n->length > TP_STREAM_NOTE_PAYLOAD) {
		in->counters.malformed++;
		return;
	}
	if (s->gone && !is_of_an_end(n->kind))
		return;
	switch (n->kind) {
	case TP_STREAM_OPENED:
		take_opened(in, s, n);
		return;
	case TP_STREAM_REQUEST:
	case TP_STREAM_CLOSED:
		take_about_client(in, s, n);
		return;
	case TP_STREAM_READY:
		s->ready = true;
		in->ready(in->context, s);
		return;
	case TP_STREAM_COUNTERS:
		take_counters(in, s, n);
		return;
	case TP_STREAM_LISTENED:
	case TP_STREAM_FAR_CAME:
	case TP_STREAM_FAR_CONNECTED:
	case TP_STREAM_FAR_IS:
	case TP_STREAM_FAR_BYTES:
	case TP_STREAM_FAR_GONE:
		take_far(in, s, n);
		return;
	default:
		in->counters.malformed++;
	}
}

bool ctl_stream_drain(struct ctl_stream_in *in, struct ctl_stream *s, uint32_t max)
{
	const void *shared;
	uint32_t n = 0;

	while (n < max && (shared = tp_ring_front(&s->request))) {
		union slot slot;
		memcpy(&slot, shared, sizeof(slot));
		tp_ring_pop(&s->request);
		take_note(in, s, &slot.note);
		n++;
	}
	return n == max;
}

void ctl_stream_drain_last(struct ctl_stream_in *in, struct ctl_stream *s)
{
	s->gone = true;
	ctl_stream_drain(in, s, s->request.size);
}

// ---- what it is told

static struct tp_stream_note *reserve(
	struct ctl_stream *s, enum tp_stream_note_kind kind, uint32_t connection, size_t length)
{
	struct tp_stream_note *n = tp_ring_reserve(&s->response);

	if (n)
		*n = (struct tp_stream_note){.kind = (uint16_t)kind,
			.length = (uint16_t)length,
			.connection = connection};
	return n;
}

bool ctl_stream_tell(struct ctl_stream *s, enum tp_stream_note_kind kind, uint32_t connection)
{
	if (!reserve(s, kind, connection, 0))
		return false;
	tp_ring_commit(&s->response);
	return true;
}

bool ctl_stream_put(struct ctl_stream *s, enum tp_stream_note_kind kind, uint32_t connection,
	const void *payload, size_t length)
{
	struct tp_stream_note *n = reserve(s, kind, connection, length);

	if (!n)
		return false;
	if (length > 0)
		memcpy(n->payload, payload, length);
	tp_ring_commit(&s->response);
	return true;
}

// A success shows who it is, but for that of a Binding request, which anybody gets.
static void judge(struct ctl_stream_in *in, struct ctl_stream *s, struct ctl_stream_client *c,
	const uint8_t *bytes)
{
	uint16_t type = tp_rd16(bytes);

	if (stun_type_class(type) == STUN_SUCCESS && stun_type_method(type) != STUN_BINDING)
		c->failures = 0;
	if (stun_type_class(type) == STUN_ERROR && ++c->failures >= CTL_STREAM_FAILURES &&
		ctl_stream_tell(s, TP_STREAM_CLOSE, c->connection)) {
		in->counters.failing++;
		c->failures = 0;
	}
}

void ctl_stream_send(struct ctl_stream_in *in, struct ctl_stream *s, uint32_t connection,
	const uint8_t *bytes, size_t length)
{
	struct ctl_stream_client *c = ctl_stream_clients_find(&s->clients, connection);
	struct tp_stream_note *n = NULL;

	if (!c) {
		in->counters.lost++;
		return;
	}
	if (length >= STUN_HEADER_BYTES && length <= TP_STREAM_NOTE_PAYLOAD)
		n = reserve(s, TP_STREAM_RESPONSE, connection, length);
	if (!n) {
		in->counters.response_full++;
		return;
	}
	memcpy(n->payload, bytes, length);
	tp_ring_commit(&s->response);
	in->counters.sent++;
	judge(in, s, c, bytes);
}
