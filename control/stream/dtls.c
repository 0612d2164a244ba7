// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/dtls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "control/stream/connection_impl.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define LOOK_NS       (250 * TP_NS_PER_MS) // between two looks at the timer of a handshake
#define HANDSHAKE_MTU 1280                 // any path takes such packets (RFC 8200 section 5)

// ---- whose datagrams they are

int stream_dtls_init(struct stream_dtls_table *t, uint32_t connections)
{
	uint32_t buckets = 16;

	while (buckets < connections)
		buckets *= 2;
	t->bucket = calloc(buckets, sizeof(*t->bucket));
	t->mask = buckets - 1;
	return t->bucket ? tp_random_bytes(&t->key, sizeof(t->key)) : -ENOMEM;
}

void stream_dtls_fini(struct stream_dtls_table *t)
{
	free(t->bucket);
	t->bucket = NULL;
}

static struct stream_dtls **bucket_of(
	const struct stream_dtls_table *t, const struct tp_addr *client, uint8_t listener)
{
	struct {
		struct tp_addr client;
		uint32_t listener;
	} tuple = {*client, listener};

	return &t->bucket[tp_siphash(&t->key, &tuple, sizeof(tuple)) & t->mask];
}

// The sessions of one five-tuple: at most one of each.
struct sessions {
	struct stream_connection *shakes, *other;
};

static struct sessions find(const struct stream *s, const struct tp_addr *client, uint8_t listener)
{
	struct sessions found = {0};

	for (struct stream_dtls *d = *bucket_of(&s->dtls_table, client, listener); d; d = d->next) {
		struct stream_connection *c = d->connection;

		if (c->listener != listener || !tp_addr_equal(&c->client, client))
			continue;
		if (c->state == STREAM_SHAKES)
			found.shakes = c;
		else
			found.other = c;
	}
	return found;
}

void stream_dtls_end(struct stream *s, struct stream_connection *c)
{
	struct stream_dtls **link = bucket_of(&s->dtls_table, &c->client, c->listener);

	while (*link != c->dtls)
		link = &(*link)->next;
	*link = c->dtls->next;
	stream_list_remove(&c->dtls->shaking);
	free(c->dtls);
	c->dtls = NULL;
}

static bool find_listener(const struct stream *s, const struct tp_addr *address, uint8_t *out)
{
	for (size_t i = 0; i < s->n_listeners; i++) {
		*out = (uint8_t)i;
		if ((s->listeners[i].transports & CONF_TRANSPORT_DTLS) &&
			tp_addr_equal(&s->listeners[i].address, address))
			return true;
	}
	return false;
}

// ---- messages

static uint32_t header_bytes(const struct stream_connection *c)
{
	return c->client.ip.family == TP_FAMILY_IPV6 ? 40 + 8 : 20 + 8;
}

void stream_dtls_send(
	struct stream *s, struct stream_connection *c, const void *bytes, size_t length)
{
	if (length > c->dtls->most) {
		c->out.dropped_packets++;
		c->out.dropped_bytes += length;
		stream_count(s, STREAM_COUNT_down_too_big, 1);
		return;
	}
	ERR_clear_error();
	if (SSL_write(c->ssl, bytes, (int)length) <= 0)
		stream_connection_tls_failed(s, c);
	stream_count(s, STREAM_COUNT_writes, 1);
}

// A record holds one message, as a datagram of UDP does: what makes no sense is dropped alone, and
// what stands behind ChannelData is no part of it (RFC 8656 section 12.5).
static void take_message(
	struct stream *s, struct stream_connection *c, const uint8_t *bytes, size_t length)
{
	struct stream_frame frame;
	int rc;

	if (length < 4 || stream_frame_read(bytes, length, &frame) == STREAM_FRAME_WRONG ||
		frame.length > length ||
		(frame.kind != STREAM_FRAME_CHANNEL_DATA && frame.length != length)) {
		stream_count(s, STREAM_COUNT_records_wrong, 1);
		return;
	}
	c->heard = true;
	stream_connection_time(s, c, STREAM_TIMER_IDLE);
	rc = frame.kind == STREAM_FRAME_REQUEST ? stream_request(s, c, bytes, frame.length)
						: stream_media_up(s, c, bytes, frame.length);
	if (rc < 0)
		stream_count(s, STREAM_COUNT_up_dropped, 1);
}

static void read_records(struct stream *s, struct stream_connection *c)
{
	while (c->state == STREAM_IS_OPEN) {
		int n;

		ERR_clear_error();
		n = SSL_read(c->ssl, s->input, sizeof(s->input));
		if (n > 0) {
			take_message(s, c, s->input, (size_t)n);
			continue;
		}
		switch (stream_tls_result(c->ssl, n)) {
		case STREAM_TLS_WANT_READ:
		case STREAM_TLS_WANT_WRITE:
			return;
		case STREAM_TLS_END:
			stream_connection_end(s, c);
			return;
		default:
			stream_connection_tls_failed(s, c);
			return;
		}
	}
}

// ---- handshakes

// It has proved itself: a session that it had is over, and no more is known of that one's end.
static void complete(struct stream *s, struct stream_connection *c)
{
	struct sessions sessions = find(s, &c->client, c->listener);

	if (sessions.other) {
		SSL_set_quiet_shutdown(sessions.other->ssl, 1);
		stream_connection_end(s, sessions.other);
	}
	stream_count(s, STREAM_COUNT_handshakes, 1);
	stream_count(s, STREAM_COUNT_resumed, SSL_session_reused(c->ssl) ? 1 : 0);
	stream_list_remove(&c->dtls->shaking);
	SSL_set_mtu(c->ssl, s->conf->streams.dtls_mtu - header_bytes(c));
	c->dtls->most = (uint16_t)DTLS_get_data_mtu(c->ssl);
	stream_connection_opened(s, c, TP_STREAM_DTLS_CLIENT);
}

static void shake(struct stream *s, struct stream_connection *c)
{
	ERR_clear_error();
	switch (stream_tls_result(c->ssl, SSL_do_handshake(c->ssl))) {
	case STREAM_TLS_DONE:
		complete(s, c);
		read_records(s, c);
		break;
	case STREAM_TLS_WANT_READ:
	case STREAM_TLS_WANT_WRITE:
		break;
	default:
		stream_connection_tls_failed(s, c);
	}
}

static void feed(struct stream *s, struct stream_connection *c, uint16_t worker,
	const struct stream_slots_message *d)
{
	struct stream_dtls *dtls = c->dtls;

	dtls->worker = worker;
	dtls->path = d->path;
	dtls->datagram = d->bytes;
	dtls->length = d->length;
	if (c->state == STREAM_SHAKES)
		shake(s, c);
	else
		read_records(s, c);
	if (c->dtls)
		c->dtls->datagram = NULL;
}

// OpenSSL wants to have looked for the cookie itself, which makes it go on with the numbers that
// follow a HelloVerifyRequest.
static bool listens(struct stream_connection *c, const struct stream_slots_message *d)
{
	BIO_ADDR *nobody = BIO_ADDR_new();
	bool good;

	ERR_clear_error();
	c->dtls->datagram = d->bytes;
	c->dtls->length = d->length;
	good = nobody && DTLSv1_listen(c->ssl, nobody) == 1;
	BIO_ADDR_free(nobody);
	return good;
}

static bool make_session(struct stream *s, struct stream_connection *c)
{
	struct stream_dtls **bucket = bucket_of(&s->dtls_table, &c->client, c->listener);
	struct stream_dtls *d = calloc(1, sizeof(*d));
	BIO *bio;

	if (!d)
		return false;
	*d = (struct stream_dtls){.stream = s, .connection = c, .next = *bucket};
	bio = stream_dtls_bio(d);
	c->ssl = bio ? stream_tls_datagram_session(s->dtls, bio) : NULL;
	if (!c->ssl) {
		free(d);
		return false;
	}
	SSL_set_mtu(c->ssl, HANDSHAKE_MTU - header_bytes(c));
	*bucket = c->dtls = d;
	return true;
}

static struct stream_connection *new_connection(
	struct stream *s, uint8_t listener, const struct tp_addr *client)
{
	struct stream_connection *c;

	if (!stream_may_take(s, client))
		return NULL;
	c = stream_connection_new(s, -1, listener, client);
	if (!c)
		return NULL;
	c->state = STREAM_SHAKES;
	stream_connection_time(s, c, STREAM_TIMER_HANDSHAKE);
	if (make_session(s, c))
		return c;
	stream_connection_end_for(s, c, STREAM_COUNT_refused_memory, "no memory");
	return NULL;
}

static void begin(struct stream *s, uint8_t listener, uint16_t worker,
	const struct stream_slots_message *d, const struct dtls_hello *hello)
{
	struct stream_connection *c = new_connection(s, listener, &d->client);

	if (!c)
		return;
	memcpy(c->dtls->random, hello->random, sizeof(c->dtls->random));
	c->dtls->worker = worker;
	c->dtls->path = d->path;
	c->dtls->looked_ns = s->now_ns;
	stream_list_add(&s->shaking, &c->dtls->shaking);
	if (listens(c, d))
		feed(s, c, worker, d);
	else
		stream_connection_tls_failed(s, c);
}

uint64_t stream_dtls_repeat(struct stream *s)
{
	struct stream_link *link;

	while ((link = stream_list_first(&s->shaking))) {
		struct stream_dtls *d = STREAM_OF(link, struct stream_dtls, shaking);

		if (d->looked_ns + LOOK_NS > s->now_ns)
			return d->looked_ns + LOOK_NS;
		d->looked_ns = s->now_ns;
		stream_list_remove(link);
		stream_list_add(&s->shaking, link);
		ERR_clear_error();
		if (DTLSv1_handle_timeout(d->connection->ssl) < 0)
			stream_connection_tls_failed(s, d->connection);
	}
	return UINT64_MAX;
}

// ---- datagrams

static bool same_hello(const struct stream_connection *c, const struct dtls_hello *hello)
{
	return c && memcmp(c->dtls->random, hello->random, DTLS_RANDOM_BYTES) == 0;
}

// Whose it is while a new session shakes hands beside an old one: the old one's are application
// data and encrypted alerts.
static struct stream_connection *owner(
	const struct sessions *sessions, const struct stream_slots_message *d)
{
	bool plain = d->length >= DTLS_RECORD_BYTES && tp_rd16(d->bytes + 3) == 0; // epoch
	bool handshake = d->bytes[0] == DTLS_HANDSHAKE || plain;

	if (sessions->shakes && (handshake || !sessions->other))
		return sessions->shakes;
	return sessions->other;
}

static void not_mine(struct stream *s, uint16_t worker, const struct stream_slots_message *d)
{
	struct tp_ring *up = &s->media.up[worker];
	const struct tp_stream_slot head = {.kind = TP_STREAM_NOT_MINE,
		.client = d->client,
		.listener = d->listener,
		.path = d->path};

	stream_count(s, STREAM_COUNT_datagrams_not_mine, 1);
	if (d->length > TP_STREAM_SLOT_PAYLOAD ||
		!stream_slots_put_datagram(up, &head, d->bytes, d->length))
		stream_count(s, STREAM_COUNT_datagrams_lost, 1);
}

void stream_dtls_take(struct stream *s, uint16_t worker, const struct stream_slots_message *d)
{
	struct sessions sessions;
	struct stream_connection *c;
	struct dtls_hello hello;
	uint8_t listener;

	stream_count(s, STREAM_COUNT_datagrams, 1);
	if (!s->dtls || d->length == 0 || !find_listener(s, &d->listener, &listener)) {
		not_mine(s, worker, d);
		return;
	}
	sessions = find(s, &d->client, listener);
	c = owner(&sessions, d);
	if (dtls_hello_read(d->bytes, d->length, &hello) == DTLS_HELLO) {
		if (same_hello(sessions.other, &hello)) // late
			return;
		if (!same_hello(sessions.shakes, &hello)) {
			if (s->draining) {
				not_mine(s, worker, d);
				return;
			}
			if (sessions.shakes)
				stream_connection_end(s, sessions.shakes);
			begin(s, listener, worker, d, &hello);
			return;
		}
	}
	if (c)
		feed(s, c, worker, d);
	else
		not_mine(s, worker, d);
}
