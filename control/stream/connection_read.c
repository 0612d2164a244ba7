// SPDX-License-Identifier: BSD-3-Clause
// What comes from a client: read, cut into messages, handed on.
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/bytes.h"
#include "common/wire/stun.h"
#include "control/stream/connection_impl.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define READS_IN_A_TURN 4

// The first four bytes that a client ever sent, as far as they are there.
static bool speaks_http(const struct stream_connection *c, const struct stream_input *in)
{
	static const char methods[][5] = {"GET ", "POST", "HEAD", "OPTI"};
	uint8_t first[4];
	size_t had = c->in.have < 4 ? c->in.have : 4, n = 4 - had < in->left ? 4 - had : in->left;

	if (had > 0)
		memcpy(first, c->in.bytes, had);
	if (n > 0)
		memcpy(first + had, in->at, n);
	for (size_t i = 0; had + n == 4 && i < sizeof(methods) / sizeof(methods[0]); i++)
		if (memcmp(first, methods[i], 4) == 0)
			return true;
	return false;
}

static void answer_http(struct stream *s, struct stream_connection *c)
{
	// A multiple of 4 long, as all that is queued.
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection:   close\r\n"
				   "Content-Length: 0\r\n\r\n";
	static_assert((sizeof(text) - 1) % 4 == 0);

	stream_count(s, STREAM_COUNT_http, 1);
	stream_connection_send(s, c, text, sizeof(text) - 1, false);
	stream_connection_finish(s, c);
}

static int deliver(
	struct stream *s, struct stream_connection *c, const struct stream_message *message)
{
	if (message->frame.kind == STREAM_FRAME_REQUEST)
		return stream_request(s, c, message->bytes, message->frame.length);
	return stream_media_up(s, c, message->bytes, message->frame.length);
}

// Keeps what is left of the input. False: the connection is ended.
static bool keep_rest(struct stream *s, struct stream_connection *c, const struct stream_input *in)
{
	uint8_t *stash = in->left > 0 ? malloc(in->left) : NULL;

	if (in->left > 0 && !stash) {
		stream_connection_end_for(s, c, STREAM_COUNT_protocol_errors, "no memory");
		return false;
	}
	if (stash)
		memcpy(stash, in->at, in->left);
	free(c->stash);
	c->stash = stash;
	c->stash_length = (uint32_t)in->left;
	return true;
}

// Keeps what comes behind a message that cannot go on.
static void wait_with(struct stream *s, struct stream_connection *c, const struct stream_input *in)
{
	if (!keep_rest(s, c, in))
		return;
	stream_list_remove(&c->timer); // it is not the client who is slow
	stream_list_add(&s->waiting, &c->waiting);
	stream_count(s, STREAM_COUNT_up_waits, 1);
}

// Until the first message is complete another deadline holds. `began`: the one that is not complete
// is the one that was not before.
static void time_message(struct stream *s, struct stream_connection *c, bool began)
{
	if (c->in.have == 0)
		stream_list_remove(&c->timer);
	else if (!began || !stream_linked(&c->timer))
		stream_connection_time(s, c, STREAM_TIMER_MESSAGE);
}

// What follows a ConnectionBind is data if it succeeds, and messages if not.
static void wait_bound(struct stream *s, struct stream_connection *c, const struct stream_input *in)
{
	c->binds = true;
	if (keep_rest(s, c, in))
		stream_connection_time(s, c, STREAM_TIMER_BIND);
}

static bool is_connection_bind(const struct stream_message *message)
{
	return message->frame.kind == STREAM_FRAME_REQUEST &&
	       tp_rd16(message->bytes) == stun_type(STUN_REQUEST, STUN_CONNECTION_BIND);
}

// All messages of what came. False: nothing more is to be read now.
static bool consume(struct stream *s, struct stream_connection *c, struct stream_input in)
{
	struct stream_message message;
	bool began = c->in.have > 0;
	int rc;

	if (!c->heard && speaks_http(c, &in)) {
		answer_http(s, c);
		return false;
	}
	while ((rc = stream_assembly_next(&c->in, &in, &message)) == STREAM_FRAME_WHOLE) {
		rc = deliver(s, c, &message);
		if (rc == -EAGAIN) {
			wait_with(s, c, &in);
			return false;
		}
		if (rc < 0)
			break;
		c->heard = true;
		began = false;
		bool binds = is_connection_bind(&message);
		stream_assembly_take(&c->in, &in, &message);
		if (binds) {
			wait_bound(s, c, &in);
			return false;
		}
	}
	if (rc != STREAM_FRAME_MORE) {
		stream_connection_end_for(
			s, c, STREAM_COUNT_protocol_errors, "no message of STUN or TURN");
		return false;
	}
	if (c->heard)
		time_message(s, c, began);
	return true;
}

// What had to wait. False: it still has to.
static bool consume_stash(struct stream *s, struct stream_connection *c)
{
	uint8_t *stash = c->stash;
	struct stream_input in = {.at = stash, .left = c->stash_length};
	bool goes_on;

	if (!stash && c->in.have == 0)
		return true;
	c->stash = NULL;
	c->stash_length = 0;
	goes_on = consume(s, c, in);
	free(stash);
	return goes_on;
}

static int read_plain(struct stream *s, struct stream_connection *c)
{
	ssize_t n = recv(c->fd, s->input, sizeof(s->input), 0);

	if (n > 0)
		return (int)n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n == 0 ? STREAM_TOOK_END : STREAM_TOOK_FAILED;
}

static int read_tls(struct stream *s, struct stream_connection *c)
{
	int n;

	stream_tls_forget();
	n = SSL_read(c->ssl, s->input, sizeof(s->input));
	if (n > 0)
		return n;
	switch (stream_tls_result(c->ssl, n)) {
	case STREAM_TLS_WANT_WRITE: // an answer to a key update
		c->blocked = true;
		return 0;
	case STREAM_TLS_WANT_READ:
		return 0;
	case STREAM_TLS_END:
		return STREAM_TOOK_END;
	default:
		return STREAM_TOOK_FAILED;
	}
}

int stream_connection_take(struct stream *s, struct stream_connection *c)
{
	return c->ssl ? read_tls(s, c) : read_plain(s, c);
}

void stream_connection_read(struct stream *s, struct stream_connection *c)
{
	bool goes_on;

	stream_list_remove(&c->waiting);
	stream_list_remove(&c->again);
	if (c->relay)
		stream_relay_pump(s, c->relay);
	if (c->state != STREAM_IS_OPEN || c->binds)
		return;
	goes_on = consume_stash(s, c);
	for (int i = 0; goes_on && i < READS_IN_A_TURN; i++) {
		int n = stream_connection_take(s, c);

		if (n == STREAM_TOOK_FAILED && c->ssl)
			stream_connection_tls_failed(s, c);
		else if (n < 0)
			stream_connection_end(s, c);
		if (n <= 0) {
			stream_connection_watch(s, c);
			return;
		}
		goes_on = consume(s, c, (struct stream_input){.at = s->input, .left = (size_t)n});
		if (!c->ssl && (size_t)n < sizeof(s->input))
			break;
	}
	// OpenSSL may hold what epoll does not know of.
	if (goes_on && c->ssl)
		stream_list_add(&s->again, &c->again);
	stream_connection_watch(s, c);
}

void stream_connection_linger(struct stream *s, struct stream_connection *c)
{
	ssize_t n = recv(c->fd, s->input, sizeof(s->input), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		stream_connection_end(s, c);
}
