// SPDX-License-Identifier: BSD-3-Clause
// From a client's first byte until control knows of it: TLS or not, and its handshake.
#include <errno.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "control/stream/connection_impl.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define TLS_FIRST_BYTE 0x16 // a record of type handshake
#define LOG_EVERY_NS   (60 * TP_NS_PER_S)

void stream_connection_opened(struct stream *s, struct stream_connection *c, uint8_t transport)
{
	c->state = STREAM_IS_OPEN;
	c->transport = transport;
	c->opened_due = true;
	stream_list_add(&s->talk, &c->talk);
	stream_connection_time(s, c, STREAM_TIMER_FIRST);
}

void stream_connection_tls_failed(struct stream *s, struct stream_connection *c)
{
	stream_connection_end_for(s, c, STREAM_COUNT_tls_failed, stream_tls_why());
}

void stream_connection_shake(struct stream *s, struct stream_connection *c)
{
	stream_tls_forget();
	switch (stream_tls_result(c->ssl, SSL_do_handshake(c->ssl))) {
	case STREAM_TLS_DONE:
		c->blocked = false;
		stream_count(s, STREAM_COUNT_handshakes, 1);
		stream_count(s, STREAM_COUNT_resumed, SSL_session_reused(c->ssl) ? 1 : 0);
		stream_connection_opened(s, c, TP_STREAM_TLS);
		stream_connection_read(s, c);
		break;
	case STREAM_TLS_WANT_READ:
		c->blocked = false;
		break;
	case STREAM_TLS_WANT_WRITE:
		c->blocked = true;
		break;
	default:
		stream_connection_tls_failed(s, c);
		return;
	}
	stream_connection_watch(s, c);
}

static void refuse_plain(struct stream *s, struct stream_connection *c)
{
	struct stream_listener *l = &s->listeners[c->listener];
	char client[TP_ADDR_STRLEN], listener[TP_ADDR_STRLEN];

	if (l->plain_logged_ns == 0 || s->now_ns - l->plain_logged_ns >= LOG_EVERY_NS) {
		tp_warning("%s: a client (%s) speaks no TLS, which is all that is served there; "
			   "said once a minute",
			tp_addr_format(&l->address, listener), tp_addr_format(&c->client, client));
		l->plain_logged_ns = s->now_ns;
	}
	stream_connection_end_for(s, c, STREAM_COUNT_plain_refused, "no TLS");
}

void stream_connection_sniff(struct stream *s, struct stream_connection *c)
{
	uint32_t transports = s->listeners[c->listener].transports;
	uint8_t first;
	ssize_t n = recv(c->fd, &first, 1, MSG_PEEK);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stream_connection_end(s, c);
		return;
	}
	if (first == TLS_FIRST_BYTE && (transports & CONF_TRANSPORT_TLS)) {
		c->wire = (struct stream_wire){.fd = c->fd};
		c->ssl = stream_tls_session(s->tls, &c->wire);
		if (!c->ssl) {
			stream_connection_end_for(s, c, STREAM_COUNT_refused_memory, "no memory");
			return;
		}
		c->state = STREAM_SHAKES;
		stream_connection_time(s, c, STREAM_TIMER_HANDSHAKE);
		stream_connection_shake(s, c);
	} else if (transports & CONF_TRANSPORT_TCP) {
		stream_connection_opened(s, c, TP_STREAM_TCP);
		stream_connection_read(s, c);
	} else {
		refuse_plain(s, c);
	}
}
