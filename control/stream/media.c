// SPDX-License-Identifier: BSD-3-Clause
// ChannelData and indications between clients and the workers' rings.
#include <errno.h>
#include <sys/epoll.h>

#include "common/base/log.h"
#include "control/stream/stream.h"

// Messages of one ring in a turn: all that can be in it. What is taken together leaves together, so
// the busier the process, the more messages of a client share a write.
#define DOWN_BUDGET TP_STREAM_DOWN_SLOTS

void stream_media_attached(struct stream *s, struct stream_media *media)
{
	s->media = *media;
	s->has_media = true;
	s->down_fired = 0;
	for (uint16_t w = 0; w < s->media.workers; w++)
		if (stream_watch(s, s->media.down[w].event_fd, EPOLLIN, STREAM_EVENT_DOWN, w) < 0)
			tp_error("ring of worker %u cannot be watched", w);
}

void stream_media_detached(struct stream *s)
{
	s->has_media = false;
	s->down_fired = 0;
	stream_media_close(&s->media);
}

int stream_media_up(
	struct stream *s, const struct stream_connection *c, const uint8_t *bytes, size_t length)
{
	if (!s->has_media) {
		stream_count(s, STREAM_COUNT_up_away, 1);
		return 0;
	}
	struct tp_ring *up = &s->media.up[c->number % s->media.workers];
	if (!stream_slots_fit(up, length)) {
		tp_ring_flush(up); // the worker may sleep over what it has not seen
		return -EAGAIN;
	}
	stream_slots_put(up, c->number, bytes, length);
	stream_count(s, STREAM_COUNT_up, 1);
	stream_count(s, STREAM_COUNT_up_bytes, length);
	return 0;
}

void stream_media_flush(struct stream *s)
{
	for (uint16_t w = 0; s->has_media && w < s->media.workers; w++)
		tp_ring_flush(&s->media.up[w]);
}

void stream_media_datagram(
	struct stream *s, const struct stream_dtls *d, const uint8_t *bytes, size_t length)
{
	const struct stream_connection *c = d->connection;
	const struct tp_stream_slot head = {.kind = TP_STREAM_DATAGRAM,
		.connection = c->number,
		.client = c->client,
		.listener = s->listeners[c->listener].address,
		.path = d->path};

	// A dataplane that is new may have fewer workers.
	if (!s->has_media || length > TP_STREAM_SLOT_PAYLOAD ||
		!stream_slots_put_datagram(
			&s->media.up[d->worker % s->media.workers], &head, bytes, length))
		stream_count(s, STREAM_COUNT_datagrams_lost, 1);
}

static void deliver(struct stream *s)
{
	struct stream_connection *c = stream_table_find(&s->table, s->down.connection);

	if (!c || c->state != STREAM_IS_OPEN) {
		stream_count(s, STREAM_COUNT_down_gone, 1);
		return;
	}
	stream_count(s, STREAM_COUNT_down, 1);
	stream_count(s, STREAM_COUNT_down_bytes, s->down.length);
	stream_connection_send(s, c, s->down.bytes, s->down.length, true);
}

static bool take_some(struct stream *s, uint16_t worker)
{
	struct tp_ring *down = &s->media.down[worker];

	for (int n = 0; n < DOWN_BUDGET; n++) {
		switch (stream_slots_take(down, &s->down)) {
		case STREAM_TAKEN_NOTHING:
			return false;
		case STREAM_TAKEN_WRONG:
			stream_count(s, STREAM_COUNT_down_wrong, 1);
			break;
		case STREAM_TAKEN_MESSAGE:
			if (s->down.kind == TP_STREAM_DATAGRAM)
				stream_dtls_take(s, worker, &s->down);
			else
				deliver(s);
			break;
		}
	}
	return true;
}

bool stream_media_down(struct stream *s)
{
	bool more = false;

	for (uint16_t w = 0; s->has_media && w < s->media.workers; w++)
		more |= take_some(s, w);
	return more;
}
