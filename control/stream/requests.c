// SPDX-License-Identifier: BSD-3-Clause
// What clients ask of control and what it answers. While control is away, or does not keep up,
// requests wait at their connections.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/base/bytes.h"
#include "common/base/log.h"
#include "common/wire/stun.h"
#include "control/stream/stream.h"

#define PENDING_MESSAGES 16 // of one connection
#define PENDING_BYTES    16384
#define PENDING_OF_ALL   16384 // messages: 33 MB at most; as many again that are not answered yet
#define RESPONSES_BUDGET 512
#define STUCK_NS         (100 * TP_NS_PER_MS)
#define GIVEN_UP_NS      (39500 * TP_NS_PER_MS) // RFC 8489 section 6.2.2: nobody waits for longer

// ---- requests that wait

static void drop_oldest(struct stream *s, struct stream_connection *c)
{
	free(stream_pending_take(&c->requests));
	s->pending_total--;
}

static void forget_oldest(struct stream *s, struct stream_connection *c)
{
	free(stream_pending_take(&c->asked));
	s->asked_total--;
}

void stream_pending_free(struct stream *s, struct stream_connection *c)
{
	while (c->requests.head)
		drop_oldest(s, c);
	while (c->asked.head)
		forget_oldest(s, c);
}

static bool is_full(const struct stream_pending *p, size_t length)
{
	return p->count >= PENDING_MESSAGES || p->bytes + length > PENDING_BYTES;
}

// Whether control has taken something lately, or had nothing to take.
static bool control_moves(struct stream *s)
{
	struct tp_ring *ring = &s->control.request;

	tp_ring_update_tail(ring);
	if (ring->other != s->control_tail || ring->other == ring->own) {
		s->control_tail = ring->other;
		s->control_moved_ns = s->now_ns;
	}
	return s->now_ns - s->control_moved_ns < STUCK_NS;
}

int stream_request(
	struct stream *s, struct stream_connection *c, const uint8_t *bytes, size_t length)
{
	struct stream_request *r;

	if (length > TP_STREAM_NOTE_PAYLOAD)
		return -EMSGSIZE;
	if (is_full(&c->requests, length) && s->has_control) {
		stream_requests_flush(s);
		// Who asks more than control answers is slowed down. Where control hangs that would
		// hold up the client's media for nothing.
		if (is_full(&c->requests, length) && control_moves(s))
			return -EAGAIN;
	}
	while (c->requests.head &&
		(is_full(&c->requests, length) || s->pending_total >= PENDING_OF_ALL)) {
		stream_count(s, STREAM_COUNT_requests_dropped, 1);
		drop_oldest(s, c);
	}
	stream_count(s, STREAM_COUNT_requests, 1);
	r = s->pending_total < PENDING_OF_ALL ? stream_request_new(bytes, length, s->now_ns) : NULL;
	if (!r) {
		stream_count(s, STREAM_COUNT_requests_dropped, 1);
		return 0;
	}
	stream_pending_append(&c->requests, r);
	s->pending_total++;
	stream_list_add(&s->talk, &c->talk);
	return 0;
}

// ---- to control

static bool put(struct stream *s, const struct stream_connection *c, uint16_t kind,
	const void *payload, uint16_t length)
{
	const struct tp_stream_note head = {
		.kind = kind, .length = length, .connection = c->number};

	return stream_note_put(&s->control.request, &head, payload);
}

static bool put_opened(struct stream *s, struct stream_connection *c)
{
	const struct tp_stream_opened opened = {.client = c->client,
		.listener = s->listeners[c->listener].address,
		.transport = c->transport,
		.proxied = c->proxy.ip.family != TP_FAMILY_NONE};

	if (!put(s, c, TP_STREAM_OPENED, &opened, sizeof(opened)))
		return false;
	c->opened_due = false;
	c->told = true;
	return true;
}

// Kept until it is answered, for a control that comes after this one: the newest of a client.
static void keep(struct stream *s, struct stream_connection *c, struct stream_request *r)
{
	if (!stream_request_is_answered(r) || s->asked_total >= PENDING_OF_ALL) {
		free(r);
		return;
	}
	while (c->asked.head && is_full(&c->asked, r->length))
		forget_oldest(s, c);
	stream_pending_append(&c->asked, r);
	s->asked_total++;
}

static bool put_listened(struct stream *s, struct stream_connection *c)
{
	const struct tp_stream_listened listened = {.error = c->relayed->listened_error};

	if (!put(s, c, TP_STREAM_LISTENED, &listened, sizeof(listened)))
		return false;
	c->relayed->listened_due = false;
	return true;
}

static bool put_requests(struct stream *s, struct stream_connection *c)
{
	struct stream_request *r;

	while ((r = c->requests.head)) {
		const struct tp_stream_note head = {.kind = TP_STREAM_REQUEST,
			.length = (uint16_t)r->length,
			.connection = c->number,
			.received_ns = r->received_ns};
		if (!stream_note_put(&s->control.request, &head, r->bytes))
			return false;
		s->pending_total--;
		keep(s, c, stream_pending_take(&c->requests));
	}
	return true;
}

static bool put_counters(struct stream *s, struct stream_connection *c)
{
	const struct tp_stream_counters counters = {.dropped_packets = c->out.dropped_packets,
		.dropped_bytes = c->out.dropped_bytes,
		.queued_bytes = (uint64_t)c->out.media_bytes + c->out.answer_bytes - c->out.sent +
				c->record_length};

	if (!put(s, c, TP_STREAM_COUNTERS, &counters, sizeof(counters)))
		return false;
	c->counters_due = false;
	return true;
}

static bool put_closed(struct stream *s, struct stream_connection *c)
{
	if (!put(s, c, TP_STREAM_CLOSED, NULL, 0))
		return false;
	c->closed_due = c->told = false;
	stream_list_add(&s->gone, &c->gone);
	return true;
}

// In the order in which it happened. False: no room for all of it.
static bool talk(struct stream *s, struct stream_connection *c)
{
	if (c->opened_due && !put_opened(s, c))
		return false;
	if (c->relayed && c->relayed->listened_due && !put_listened(s, c))
		return false;
	if (!put_requests(s, c))
		return false;
	if (c->counters_due && !put_counters(s, c))
		return false;
	return !c->closed_due || put_closed(s, c);
}

// A control that is new learns first what there is. True when it knows.
static bool greet(struct stream *s)
{
	static const struct stream_connection none;

	for (; s->greeted < s->table.capacity; s->greeted++) {
		struct stream_connection *c = s->table.at[s->greeted];

		if (c && c->opened_due && !put_opened(s, c))
			return false;
	}
	if (!put(s, &none, TP_STREAM_READY, NULL, 0))
		return false;
	s->greets = false;
	return true;
}

void stream_requests_flush(struct stream *s)
{
	struct stream_link *link;

	if (!s->has_control)
		return;
	control_moves(s);
	if ((!s->greets || greet(s)) && stream_relays_talk(s)) {
		while ((link = stream_list_first(&s->talk))) {
			if (!talk(s, STREAM_OF(link, struct stream_connection, talk)))
				break;
			stream_list_remove(link);
		}
	}
	tp_ring_flush(&s->control.request);
}

void stream_control_attached(struct stream *s, struct stream_requests_rings *rings)
{
	s->control = *rings;
	s->has_control = s->greets = true;
	s->greeted = 0;
	s->control_tail = 0;
	s->control_moved_ns = s->now_ns;
	for (uint32_t i = 0; i < s->table.capacity; i++) {
		struct stream_connection *c = s->table.at[i];

		if (c && c->transport && c->state != STREAM_IS_GONE)
			c->opened_due = true;
		if (c && c->relayed) {
			c->relayed->listened_due = true;
			stream_list_add(&s->talk, &c->talk);
		}
	}
	stream_relays_attached(s);
	if (stream_watch(s, s->control.response.event_fd, EPOLLIN, STREAM_EVENT_RESPONSE, 0) < 0)
		tp_error("control's ring cannot be watched");
}

// What was not answered is asked again of the next one, whether this one took it or not: nobody
// repeats a request over TCP. A request that comes twice is answered as over UDP, where it often
// does.
static void ask_again(struct stream *s, struct stream_connection *c)
{
	s->asked_total -= stream_pending_expire(
		&c->asked, s->now_ns > GIVEN_UP_NS ? s->now_ns - GIVEN_UP_NS : 0);
	if (!c->asked.head)
		return;
	stream_count(s, STREAM_COUNT_requests_again, c->asked.count);
	s->asked_total -= c->asked.count;
	s->pending_total += c->asked.count;
	stream_pending_put_back(&c->requests, &c->asked);
	stream_list_add(&s->talk, &c->talk);
}

// Bytes of TCP allocations that it did not take are told to the next one; it shall not find them when it
// looks once more.
static void take_back_bytes(struct stream *s)
{
	struct tp_ring *ring = &s->control.request;
	struct tp_stream_far said;
	struct stream_note note;

	tp_ring_update_tail(ring);
	while (ring->own != ring->other) {
		ring->own--;
		memcpy(&note, tp_ring_slot(ring), sizeof(note));
		if (note.kind != TP_STREAM_FAR_BYTES && note.kind != TP_STREAM_FAR_IS)
			continue;
		memset(tp_ring_slot(ring), 0, sizeof(struct tp_stream_note));
		memcpy(&said, note.payload, sizeof(said));
		stream_relay_take_back(s, &said);
	}
}

void stream_control_detached(struct stream *s)
{
	// What it could still say, and no more.
	for (int i = 0; i < TP_STREAM_RESPONSE_SLOTS / RESPONSES_BUDGET && stream_responses(s); i++)
		;
	s->has_control = false;
	take_back_bytes(s);
	for (uint32_t i = 0; i < s->table.capacity; i++) {
		struct stream_connection *c = s->table.at[i];

		if (!c)
			continue;
		ask_again(s, c);
		c->told = c->counters_due = c->opened_due = false;
		// Nobody is left to tell.
		if (c->closed_due) {
			c->closed_due = false;
			stream_list_add(&s->gone, &c->gone);
		}
	}
	stream_requests_rings_close(&s->control);
}

// ---- from control

// The answer to its ConnectionBind is an error: it may ask again.
static void not_bound(struct stream *s, struct stream_connection *c)
{
	c->binds = false;
	stream_list_remove(&c->timer);
	stream_list_add(&s->again, &c->again);
}

void stream_request_answered(struct stream *s, struct stream_connection *c, const uint8_t *response)
{
	if (stream_pending_answered(&c->asked, response + 8))
		s->asked_total--;
}

static void answer(struct stream *s, const struct stream_note *note)
{
	struct stream_connection *c = stream_table_find(&s->table, note->connection);

	if (!c || c->state != STREAM_IS_OPEN) {
		stream_count(s, STREAM_COUNT_responses_gone, 1);
		return;
	}
	switch (note->kind) {
	case TP_STREAM_RESPONSE:
		stream_count(s, STREAM_COUNT_responses, 1);
		stream_request_answered(s, c, note->payload);
		stream_connection_send(s, c, note->payload, note->length, false);
		// Sending may have ended it.
		if (c->state == STREAM_IS_OPEN && c->binds &&
			stun_type_method(tp_rd16(note->payload)) == STUN_CONNECTION_BIND)
			not_bound(s, c);
		break;
	case TP_STREAM_CLOSE:
		stream_connection_finish(s, c);
		break;
	case TP_STREAM_ASK:
		c->counters_due = true;
		stream_list_add(&s->talk, &c->talk);
		break;
	}
}

bool stream_responses(struct stream *s)
{
	struct stream_note note;

	for (int n = 0; s->has_control && n < RESPONSES_BUDGET; n++) {
		switch (stream_note_take(&s->control.response, &note)) {
		case STREAM_TAKEN_NOTHING:
			return false;
		case STREAM_TAKEN_WRONG:
			stream_count(s, STREAM_COUNT_notes_wrong, 1);
			break;
		case STREAM_TAKEN_MESSAGE:
			if (note.kind == TP_STREAM_DRAIN)
				stream_drain(s);
			else if (note.kind == TP_STREAM_RELOAD)
				stream_reload(s);
			else if (note.kind >= TP_STREAM_LISTEN && note.kind <= TP_STREAM_FAR_CLOSE)
				stream_relay_note(
					s, note.kind, note.connection, note.payload, note.length);
			else
				answer(s, &note);
			break;
		}
	}
	return s->has_control;
}
