// SPDX-License-Identifier: BSD-3-Clause
// What goes to a client: queued, then written at the end of the turn, as much as its socket takes.
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "control/stream/connection_impl.h"
#include "control/stream/dtls.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define PIECES 64

static void trim(struct stream *s, struct stream_connection *c)
{
	const struct stream_queue_limits limits = {.bytes = s->conf->streams.buffer_bytes,
		.age_ns = s->conf->streams.buffer_ms * TP_NS_PER_MS};
	uint64_t packets = c->out.dropped_packets, dropped = c->out.dropped_bytes;

	stream_queue_trim(&c->out, &limits, s->now_ns);
	stream_count(s, STREAM_COUNT_down_dropped, c->out.dropped_packets - packets);
	stream_count(s, STREAM_COUNT_down_dropped_bytes, c->out.dropped_bytes - dropped);
}

// What fills a record leaves at once: a turn may take more for a client than may wait for it.
static bool fits(const struct stream *s, const struct stream_connection *c, size_t length)
{
	uint32_t most = s->conf->streams.buffer_bytes;

	return c->out.media_bytes + c->out.answer_bytes + length <=
	       (most < STREAM_RECORD_BYTES ? most : STREAM_RECORD_BYTES);
}

void stream_connection_send(
	struct stream *s, struct stream_connection *c, const void *bytes, size_t length, bool media)
{
	if (!c->blocked && !fits(s, c, length))
		stream_connection_flush(s, c);
	if (c->state == STREAM_IS_GONE)
		return;
	if (c->dtls) {
		stream_dtls_send(s, c, bytes, length);
		return;
	}
	if (!media && c->out.answer_bytes > s->conf->streams.buffer_bytes) {
		stream_connection_end_for(s, c, STREAM_COUNT_unread_answers, "reads no answers");
		return;
	}
	// What became ready in one turn may be more than may wait, and none of it has waited yet.
	if (media && !c->blocked && c->out.media_bytes + length > s->conf->streams.buffer_bytes)
		stream_connection_flush(s, c);
	if (c->state == STREAM_IS_GONE)
		return;
	if (stream_queue_add(&c->out, bytes, length, media, s->now_ns) < 0) {
		c->out.dropped_packets++;
		c->out.dropped_bytes += length;
		stream_count(s, STREAM_COUNT_down_dropped, 1);
		stream_count(s, STREAM_COUNT_down_dropped_bytes, length);
	}
	trim(s, c);
	if (!c->blocked)
		stream_list_add(&s->dirty, &c->dirty);
}

// True: all that was there is on its way.
static bool flush_plain(struct stream *s, struct stream_connection *c)
{
	struct iovec pieces[PIECES];

	while (!stream_queue_empty(&c->out)) {
		struct msghdr m = {.msg_iov = pieces,
			.msg_iovlen = (size_t)stream_queue_pieces(&c->out, pieces, PIECES)};
		ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);

		stream_count(s, STREAM_COUNT_writes, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			stream_connection_end(s, c);
			return false;
		}
		if (n < 0)
			return false;
		stream_queue_sent(&c->out, (size_t)n);
	}
	return true;
}

// One record. OpenSSL sends all of it or keeps it; then it wants to be asked for the same again.
bool stream_connection_write_record(
	struct stream *s, struct stream_connection *c, const uint8_t *bytes, size_t length)
{
	int n;

	stream_tls_forget();
	n = SSL_write(c->ssl, bytes, (int)length);
	stream_count(s, STREAM_COUNT_writes, 1);
	if (n > 0)
		return true;
	switch (stream_tls_result(c->ssl, n)) {
	case STREAM_TLS_WANT_READ:
	case STREAM_TLS_WANT_WRITE:
		if (c->record)
			return false;
		c->record = malloc(length);
		if (c->record) {
			memcpy(c->record, bytes, length);
			c->record_length = (uint32_t)length;
			return false;
		}
		break;
	default:
		break;
	}
	stream_connection_tls_failed(s, c);
	return false;
}

static bool flush_tls(struct stream *s, struct stream_connection *c)
{
	if (c->record) {
		if (!stream_connection_write_record(s, c, c->record, c->record_length))
			return false;
		free(c->record);
		c->record = NULL;
		c->record_length = 0;
	}
	while (!stream_queue_empty(&c->out)) {
		size_t n = stream_queue_gather(&c->out, s->record, sizeof(s->record));

		if (!stream_connection_write_record(s, c, s->record, n))
			return false;
	}
	return true;
}

void stream_connection_flush(struct stream *s, struct stream_connection *c)
{

	stream_list_remove(&c->dirty);
	if (c->state != STREAM_IS_OPEN && c->state != STREAM_FINISHES &&
		c->state != STREAM_IS_BOUND)
		return;
	trim(s, c);
	c->blocked = !(c->ssl ? flush_tls : flush_plain)(s, c);
	if (!c->blocked && c->state == STREAM_FINISHES) {
		if (c->ssl)
			SSL_shutdown(c->ssl);
		shutdown(c->fd, SHUT_WR);
		c->state = STREAM_LINGERS;
	}
	if (c->relay)
		stream_relay_pump(s, c->relay);
	else
		stream_connection_watch(s, c);
}

void stream_connection_finish(struct stream *s, struct stream_connection *c)
{
	if (c->state != STREAM_IS_OPEN)
		return;
	if (c->dtls) { // nothing waits
		stream_connection_end(s, c);
		return;
	}
	c->state = STREAM_FINISHES;
	stream_list_remove(&c->waiting);
	stream_connection_time(s, c, STREAM_TIMER_FINISH);
	stream_list_add(&s->dirty, &c->dirty);
}
