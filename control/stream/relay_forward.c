// SPDX-License-Identifier: BSD-3-Clause
// Bytes between a peer and the client data connection that it is bound to, as they are. Of each way
// one piece is kept, and its source is not read on before the sink took it: so the memory is
// bounded, and who is slow slows down the other side by TCP. The end of a way is handed on when all
// of it was written (a half-close stays one); what is cut is reset on the other side.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control/stream/connection_impl.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define READS_IN_A_TURN 4

// One way. Of `read` and `write`: -1, it is over, and gone.
struct way {
	int (*read)(struct stream *s, struct stream_relay *r, bool *ended);
	ssize_t (*write)(struct stream *s, struct stream_relay *r, const uint8_t *bytes, size_t n);
	bool (*shut)(struct stream *s, struct stream_relay *r); // false: later
};

// Something of the client's is not sent yet: nothing may overtake it.
static bool is_full(const struct stream_connection *c)
{
	return c->blocked || c->record || !stream_queue_empty(&c->out);
}

// ---- the peer's side

static int read_peer(struct stream *s, struct stream_relay *r, bool *ended)
{
	ssize_t n;

	// What cannot be handed on stays in the kernel.
	if (is_full(r->client))
		return 0;
	n = recv(r->fd, s->input, sizeof(s->input), MSG_DONTWAIT);
	if (n > 0)
		return (int)n;
	*ended = n == 0;
	if (n == 0 || errno == EAGAIN || errno == EINTR)
		return 0;
	stream_relay_cut(s, r);
	return -1;
}

static ssize_t write_peer(struct stream *s, struct stream_relay *r, const uint8_t *bytes, size_t n)
{
	ssize_t written = send(r->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (written < 0 && errno != EAGAIN && errno != EINTR) {
		stream_relay_cut(s, r);
		return -1;
	}
	return written < 0 ? 0 : written;
}

static bool shut_peer(struct stream *s, struct stream_relay *r)
{
	shutdown(r->fd, SHUT_WR);
	return true;
}

// ---- the client's

static int read_client(struct stream *s, struct stream_relay *r, bool *ended)
{
	int n = stream_connection_take(s, r->client);

	*ended = n == STREAM_TOOK_END;
	if (n >= 0 || n == STREAM_TOOK_END)
		return n < 0 ? 0 : n;
	stream_relay_cut(s, r);
	return -1;
}

static ssize_t write_client(
	struct stream *s, struct stream_relay *r, const uint8_t *bytes, size_t n)
{
	struct stream_connection *c = r->client;
	ssize_t written;

	if (is_full(c))
		return 0;
	if (c->ssl) {
		// All of it, or kept by the connection.
		if (!stream_connection_write_record(s, c, bytes, n)) {
			if (c->state == STREAM_IS_GONE)
				return -1;
			c->blocked = true;
		}
		return (ssize_t)n;
	}
	written = send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (written < 0 && errno != EAGAIN && errno != EINTR) {
		stream_relay_cut(s, r);
		return -1;
	}
	c->blocked = written < (ssize_t)n;
	return written < 0 ? 0 : written;
}

static bool shut_client(struct stream *s, struct stream_relay *r)
{
	struct stream_connection *c = r->client;
	int rc;

	if (is_full(c))
		return false;
	if (!c->ssl) {
		shutdown(c->fd, SHUT_WR);
		return true;
	}
	ERR_clear_error();
	rc = SSL_shutdown(c->ssl);
	if (rc < 0 && stream_tls_result(c->ssl, rc) == STREAM_TLS_WANT_WRITE) {
		c->blocked = true;
		return false;
	}
	ERR_clear_error();
	return true;
}

// ---- one way

static bool keep(struct stream *s, struct stream_relay *r, struct stream_pipe *pipe,
	const uint8_t *bytes, size_t n)
{
	pipe->bytes = malloc(n);
	if (!pipe->bytes) {
		stream_relay_cut(s, r);
		return false;
	}
	memcpy(pipe->bytes, bytes, n);
	pipe->length = (uint32_t)n;
	pipe->sent = 0;
	return true;
}

// Writes what is kept. 1: all of it; 0: not yet; -1: over.
static int write_kept(
	struct stream *s, struct stream_relay *r, struct stream_pipe *pipe, const struct way *way)
{
	ssize_t n = way->write(s, r, pipe->bytes + pipe->sent, pipe->length - pipe->sent);

	if (n < 0)
		return -1;
	pipe->sent += (uint32_t)n;
	pipe->total += (uint64_t)n;
	if (pipe->sent < pipe->length)
		return 0;
	free(pipe->bytes);
	pipe->bytes = NULL;
	return 1;
}

// Reads and writes once. 1: there may be more; 0: not now; -1: over.
static int move_once(
	struct stream *s, struct stream_relay *r, struct stream_pipe *pipe, const struct way *way)
{
	bool ended = false;
	ssize_t written;
	int n;

	pipe->held = !stream_rate_open(pipe->rate, s->now_ns);
	if (pipe->held) {
		stream_relay_hold(s, r);
		return 0;
	}
	n = way->read(s, r, &ended);
	if (ended)
		pipe->ended = true;
	if (n <= 0)
		return n < 0 ? -1 : ended;
	stream_rate_take(pipe->rate, (uint64_t)n, s->now_ns);
	written = way->write(s, r, s->input, (size_t)n);
	if (written < 0)
		return -1;
	pipe->total += (uint64_t)written;
	if (written < n)
		return keep(s, r, pipe, s->input + written, (size_t)(n - written)) ? 0 : -1;
	return 1;
}

// As far as it goes, within a turn's share. False: it is over, and gone.
static bool move(
	struct stream *s, struct stream_relay *r, struct stream_pipe *pipe, const struct way *way)
{
	int rc = pipe->bytes ? write_kept(s, r, pipe, way) : 1;

	for (int i = 0; rc > 0 && !pipe->ended && i < READS_IN_A_TURN; i++)
		rc = move_once(s, r, pipe, way);
	if (rc > 0 && pipe->ended) {
		pipe->shut = pipe->shut || way->shut(s, r);
		return true;
	}
	// OpenSSL may hold what epoll does not know of.
	if (rc > 0 && r->client->ssl)
		stream_list_add(&s->again, &r->client->again);
	return rc >= 0;
}

// ---- both

static void watch_peer(struct stream *s, struct stream_relay *r)
{
	struct epoll_event e = {.data.u64 = (uint64_t)STREAM_EVENT_RELAY << 32 | r->id};

	if (!r->down.bytes && !r->down.ended && !r->down.held && !is_full(r->client))
		e.events |= EPOLLIN;
	if (r->up.bytes)
		e.events |= EPOLLOUT;
	if (e.events == r->events && r->watched == (e.events != 0))
		return;
	// A socket that is at its end would wake us without end, whatever is asked of it.
	if (r->watched && e.events == 0)
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, r->fd, NULL);
	else
		epoll_ctl(s->epoll_fd, r->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, r->fd, &e);
	r->watched = e.events != 0;
	r->events = e.events;
}

static void account(struct stream *s, struct stream_relay *r)
{
	if (r->up.total + r->down.total != r->up.told + r->down.told && !stream_linked(&r->timer))
		stream_relay_time(s, r, STREAM_RELAY_TIMER_BYTES);
}

void stream_relay_pump(struct stream *s, struct stream_relay *r)
{
	static const struct way up = {read_client, write_peer, shut_peer};
	static const struct way down = {read_peer, write_client, shut_client};
	struct stream_connection *c = r->client;

	if (r->state != TP_STREAM_FAR_BOUND || !c)
		return;
	if (!move(s, r, &r->up, &up) || !move(s, r, &r->down, &down))
		return;
	if (r->up.shut && r->down.shut) {
		stream_relay_end(s, r);
		stream_connection_end(s, c);
		return;
	}
	account(s, r);
	watch_peer(s, r);
	stream_connection_watch(s, c);
}

void stream_relay_bind(struct stream *s, struct stream_relay *r, struct stream_connection *c,
	const void *response, size_t length)
{
	// Before the peer's first byte can leave: what waits for the client may be flushed by this.
	stream_connection_send(s, c, response, length, false);
	if (c->state != STREAM_IS_OPEN || !stream_relay_share(s, r)) {
		stream_relay_end(s, r);
		stream_connection_end(s, c);
		return;
	}
	stream_list_remove(&r->of_link);
	r->of = NULL;
	stream_list_remove(&r->timer);
	r->state = TP_STREAM_FAR_BOUND;
	r->client = c;
	c->relay = r;
	c->state = STREAM_IS_BOUND;
	c->binds = false;
	stream_list_remove(&c->timer);
	// Elsewhere many end without close_notify and nothing is lost; here it cuts what the peer
	// receives.
	if (c->ssl)
		SSL_clear_options(c->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
	stream_count(s, STREAM_COUNT_relay_bound, 1);
	// What came behind the request is the peer's already.
	if (c->stash_length > 0) {
		r->up.bytes = c->stash;
		r->up.length = c->stash_length;
		c->stash = NULL;
		c->stash_length = 0;
		stream_rate_take(r->up.rate, r->up.length, s->now_ns);
	}
	stream_list_add(&s->dirty, &c->dirty);
}

void stream_relay_event(struct stream *s, uint32_t id, uint32_t events)
{
	struct stream_relay *r = stream_relay_find(s, id);

	if (!r || r->fd < 0)
		return;
	if (r->state == TP_STREAM_FAR_CONNECTING)
		stream_relay_connect_event(s, r);
	else
		stream_relay_pump(s, r);
}

void stream_relay_finish(struct stream *s, struct stream_relay *r)
{
	if (!r->client) {
		stream_relay_end(s, r);
		return;
	}
	r->up.ended = r->down.ended = true;
	stream_relay_time(s, r, STREAM_RELAY_TIMER_CLOSE);
	stream_relay_pump(s, r);
}
