// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/stream/streams.h"
#include "common/base/bytes.h"
#include "common/wire/chandata.h"

#define READ_BYTES     16384
#define READS_IN_A_ROW 8

void streams_fail(struct streams *s, const struct streams_client *c, const char *what, int code)
{
	if (!s->failure[0])
		snprintf(s->failure, sizeof(s->failure), "client %u: %s (%d)", c->number, what,
			code);
}

static void watch(struct streams *s, struct streams_client *c, int operation)
{
	struct epoll_event e = {
		.events = (c->deaf && c->state == STREAMS_OPEN ? 0 : EPOLLIN) |
			  (c->blocked || c->state == STREAMS_CONNECTS ? EPOLLOUT : 0),
		.data.u32 = c->number};

	epoll_ctl(s->epoll, operation, c->sock, &e);
}

int streams_connect(struct streams *s, struct streams_client *c)
{
	const struct streams_options *o = &s->options;
	struct sockaddr_storage sa;
	socklen_t length = (socklen_t)tp_addr_to_sockaddr(&o->server, &sa);
	int small = 4096;

	c->sock = streams_socket(o->client_namespace, &o->client_address, SOCK_STREAM);
	if (c->sock < 0)
		return c->sock;
	if (c->deaf)
		setsockopt(c->sock, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (connect(c->sock, (struct sockaddr *)&sa, length) < 0 && errno != EINPROGRESS)
		return -errno;
	c->state = STREAMS_CONNECTS;
	c->out = BIO_new(BIO_s_mem());
	if (!c->out)
		return -ENOMEM;
	watch(s, c, EPOLL_CTL_ADD);
	return 0;
}

void streams_close(struct streams *s, struct streams_client *c)
{
	if (c->state == STREAMS_CLOSED)
		return;
	if (c->state == STREAMS_OPEN)
		s->open--;
	if (c->state != STREAMS_ENDS) {
		s->closed++;
		streams_fail(s, c, "connection ended", (int)c->state);
	}
	c->state = STREAMS_CLOSED;
	if (c->ssl)
		SSL_free(c->ssl); // and c->out
	else
		BIO_free(c->out);
	c->ssl = NULL;
	c->out = NULL;
	close(c->sock);
	c->sock = -1;
}

void streams_flush(struct streams *s, struct streams_client *c)
{
	static char discarded[65536];
	char *bytes;
	long left;

	while (c->state != STREAMS_CLOSED && (left = BIO_get_mem_data(c->out, &bytes)) > 0) {
		ssize_t n =
			send(c->sock, bytes, (size_t)(left < 65536 ? left : 65536), MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN) {
			streams_close(s, c);
			return;
		}
		if (n < 0)
			break;
		BIO_read(c->out, discarded, (int)n);
	}
	bool blocked = c->state != STREAMS_CLOSED && BIO_pending(c->out) > 0;
	if (blocked != c->blocked && c->state != STREAMS_CLOSED) {
		c->blocked = blocked;
		watch(s, c, EPOLL_CTL_MOD);
	}
}

void streams_send(struct streams_client *c, const void *bytes, size_t length)
{
	if (c->ssl)
		SSL_write(c->ssl, bytes, (int)length); // into memory: nothing to wait for
	else
		BIO_write(c->out, bytes, (int)length);
}

void streams_end(struct streams *s, struct streams_client *c)
{
	if (c->state == STREAMS_OPEN)
		s->open--;
	c->state = STREAMS_ENDS;
	if (c->ssl)
		SSL_shutdown(c->ssl);
	streams_flush(s, c);
	if (c->state == STREAMS_CLOSED)
		return;
	shutdown(c->sock, SHUT_WR);
}

// ---- what arrives

static void message(
	struct streams *s, struct streams_client *c, const uint8_t *bytes, size_t length)
{
	uint16_t channel, payload;

	if (bytes[0] < 0x40)
		streams_answer(s, c, bytes, length);
	else if (chandata_read(bytes, length, CHANDATA_CHANNEL_MAX, &channel, &payload) &&
		 channel == c->channel)
		streams_take_down(s, c, bytes + CHANDATA_HEADER_BYTES, payload);
	else
		c->down.wrong++;
}

// Bytes of the message that begins here, padding included; 0: not known yet (RFC 8656
// section 12.5).
static size_t framed(const uint8_t *p, size_t n)
{
	if (n < 4)
		return 0;
	return p[0] < 0x40 ? 20u + tp_rd16(p + 2) : 4u + (tp_rd16(p + 2) + 3u) / 4 * 4;
}

static void take(struct streams *s, struct streams_client *c, uint8_t *bytes, size_t n)
{
	size_t at = 0, whole;

	while ((whole = framed(bytes + at, n - at)) > 0 && whole <= n - at &&
		c->state != STREAMS_CLOSED) {
		size_t exact = bytes[at] < 0x40 ? whole : 4u + tp_rd16(bytes + at + 2);
		message(s, c, bytes + at, exact);
		at += whole;
	}
	if (n - at > sizeof(c->carry)) {
		streams_fail(s, c, "sent no message of TURN", 0);
		streams_close(s, c);
		return;
	}
	memcpy(c->carry, bytes + at, n - at);
	c->carried = (uint16_t)(n - at);
}

// Bytes read; 0: none now; -1: the connection has ended.
static int read_some(struct streams_client *c, uint8_t *out, size_t size)
{
	if (!c->ssl) {
		ssize_t n = recv(c->sock, out, size, 0);
		return n > 0 ? (int)n : n < 0 && errno == EAGAIN ? 0 : -1;
	}
	ERR_clear_error();
	int n = SSL_read(c->ssl, out, (int)size);
	return n > 0 ? n : SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void receive(struct streams *s, struct streams_client *c)
{
	static uint8_t buffer[STREAMS_CARRY_BYTES + READ_BYTES];

	for (int i = 0; i < READS_IN_A_ROW && c->state != STREAMS_CLOSED; i++) {
		memcpy(buffer, c->carry, c->carried);
		int n = read_some(c, buffer + c->carried, READ_BYTES);
		if (n < 0)
			streams_close(s, c);
		if (n <= 0)
			return;
		take(s, c, buffer, c->carried + (size_t)n);
	}
}

// ---- its beginning

static void ready(struct streams *s, struct streams_client *c)
{
	switch (s->options.mode) {
	case STREAMS_RELAY:
		streams_request(s, c, STREAMS_ALLOCATE);
		break;
	case STREAMS_IDLE:
		streams_request(s, c, STREAMS_BINDING);
		break;
	case STREAMS_HANDSHAKES:
		s->done++;
		s->resumed += SSL_session_reused(c->ssl) == 1;
		// The one whose ticket the others use has to wait for it.
		if (!s->options.resume || s->ticket) {
			streams_end(s, c);
			break;
		}
		c->state = STREAMS_OPEN;
		s->open++;
		break;
	case STREAMS_ALONE:
		break;
	}
}

static void shake(struct streams *s, struct streams_client *c)
{
	ERR_clear_error();
	int rc = SSL_do_handshake(c->ssl);
	int error = rc == 1 ? 0 : SSL_get_error(c->ssl, rc);

	streams_flush(s, c);
	if (rc == 1) {
		ready(s, c);
	} else if (error != SSL_ERROR_WANT_READ) {
		streams_fail(s, c, "TLS handshake", error);
		streams_close(s, c);
	}
}

static void connected(struct streams *s, struct streams_client *c)
{
	int error = 0;
	socklen_t length = sizeof(error);

	getsockopt(c->sock, SOL_SOCKET, SO_ERROR, &error, &length);
	if (error) {
		streams_fail(s, c, strerror(error), error);
		streams_close(s, c);
		return;
	}
	c->state = STREAMS_SHAKES;
	watch(s, c, EPOLL_CTL_MOD);
	if (!s->options.tls) {
		ready(s, c);
		return;
	}
	c->ssl = SSL_new(s->tls);
	SSL_set_connect_state(c->ssl);
	SSL_set_bio(c->ssl, BIO_new_socket(c->sock, BIO_NOCLOSE), c->out);
	// A copy: a session that brought another ticket is not to be used again.
	SSL_SESSION *session = s->ticket ? SSL_SESSION_dup(s->ticket) : NULL;
	if (session)
		SSL_set_session(c->ssl, session);
	SSL_SESSION_free(session);
	shake(s, c);
}

void streams_event(struct streams *s, struct streams_client *c, uint32_t events)
{
	switch (c->state) {
	case STREAMS_CLOSED:
		return;
	case STREAMS_CONNECTS:
		connected(s, c);
		return;
	case STREAMS_SHAKES:
		shake(s, c);
		return;
	default:
		if (events & EPOLLOUT)
			streams_flush(s, c);
		if ((events & (EPOLLERR | EPOLLHUP)) && c->deaf)
			streams_close(s, c);
		else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
			receive(s, c);
	}
	// Once bound, it stops reading.
	if (c->deaf && c->state == STREAMS_OPEN)
		watch(s, c, EPOLL_CTL_MOD);
}
