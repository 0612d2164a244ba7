// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/connection.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/base/log.h"
#include "control/stream/connection_impl.h"
#include "control/stream/dtls.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define SAID_A_SECOND 20
#define FINISH_NS     (5 * TP_NS_PER_S)
#define BIND_NS       (40 * TP_NS_PER_S) // its client gives up then

// ---- deadlines and events

void stream_connection_time(struct stream *s, struct stream_connection *c, enum stream_timer timer)
{
	stream_list_remove(&c->timer);
	c->since_ns = s->now_ns;
	stream_list_add(&s->timers[timer], &c->timer);
}

void stream_connection_watch(struct stream *s, struct stream_connection *c)
{
	struct epoll_event e = {.data.u64 = (uint64_t)STREAM_EVENT_CONNECTION << 32 | c->number};

	if (c->state == STREAM_IS_GONE || c->fd < 0)
		return;
	if (!stream_linked(&c->waiting) && !c->binds &&
		!(c->relay && (c->relay->up.bytes || c->relay->up.ended || c->relay->up.held)))
		e.events |= EPOLLIN;
	if (c->blocked)
		e.events |= EPOLLOUT;
	if (e.events == c->events)
		return;
	c->events = e.events;
	// One at its end would wake us without end while its peer takes what is left.
	bool unwatch = c->relay && e.events == 0;
	epoll_ctl(s->epoll_fd,
		unwatch        ? EPOLL_CTL_DEL
		: c->unwatched ? EPOLL_CTL_ADD
			       : EPOLL_CTL_MOD,
		c->fd, &e);
	c->unwatched = unwatch;
}

// ---- its life

static void free_buffers(struct stream *s, struct stream_connection *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->dtls)
		stream_dtls_end(s, c);
	stream_assembly_free(&c->in);
	stream_queue_free(&c->out);
	stream_pending_free(s, c);
	free(c->stash);
	c->stash = NULL;
	free(c->record);
	c->record = NULL;
}

void stream_connection_end(struct stream *s, struct stream_connection *c)
{
	const bool limited = c->state != STREAM_PROXIES;

	if (c->state == STREAM_IS_GONE)
		return;
	stream_relayed_free(s, c);
	if (c->relay) {
		stream_relay_cut(s, c->relay); // which comes back
		return;
	}
	if (c->ssl && c->state != STREAM_SHAKES) {
		stream_tls_forget();
		SSL_shutdown(c->ssl); // a word of farewell, if there is room for it
		stream_tls_forget();
	}
	c->state = STREAM_IS_GONE;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	free_buffers(s, c);
	if (limited)
		stream_limit_give(&s->limit, &c->client.ip);
	stream_list_remove(&c->timer);
	stream_list_remove(&c->dirty);
	stream_list_remove(&c->again);
	stream_list_remove(&c->waiting);
	stream_list_remove(&c->talk);
	stream_count(s, STREAM_COUNT_closed, 1);
	c->opened_due = c->counters_due = false;
	c->closed_due = c->told;
	if (c->told)
		stream_list_add(&s->talk, &c->talk);
	else
		stream_list_add(&s->gone, &c->gone);
}

// Strangers do not decide how much is written to the log.
static bool may_say(struct stream *s)
{
	if (s->now_ns - s->said_since_ns >= TP_NS_PER_S) {
		s->said_since_ns = s->now_ns;
		s->said = 0;
	}
	return s->said++ < SAID_A_SECOND;
}

void stream_connection_end_for(
	struct stream *s, struct stream_connection *c, enum stream_counter counter, const char *why)
{
	const bool proxied = c->proxy.ip.family != TP_FAMILY_NONE;
	char text[TP_ADDR_STRLEN], proxy[TP_ADDR_STRLEN];

	stream_count(s, counter, 1);
	if (may_say(s))
		tp_debug("%s%s%s: %s", tp_addr_format(&c->client, text),
			proxied ? " by proxy " : "",
			proxied ? tp_addr_format(&c->proxy, proxy) : "", why);
	stream_connection_end(s, c);
}

struct stream_connection *stream_connection_new(
	struct stream *s, int fd, uint8_t listener, const struct tp_addr *client)
{
	const bool proxied = fd >= 0 && s->listeners[listener].proxied;
	struct stream_connection *c = calloc(1, sizeof(*c));

	if (!c || (c->number = stream_table_add(&s->table, c)) == 0)
		goto fail;
	c->fd = fd;
	c->client = *client;
	c->listener = listener;
	c->state = proxied ? STREAM_PROXIES : STREAM_SNIFFS;
	c->events = EPOLLIN;
	if (fd >= 0 && stream_watch(s, fd, EPOLLIN, STREAM_EVENT_CONNECTION, c->number) < 0) {
		stream_table_remove(&s->table, c->number);
		goto fail;
	}
	stream_count(s, STREAM_COUNT_accepted, 1);
	return c;
fail:
	stream_count(s, STREAM_COUNT_refused_memory, 1);
	if (!proxied)
		stream_limit_give(&s->limit, &client->ip);
	if (fd >= 0)
		close(fd);
	free(c);
	return NULL;
}

void stream_connection_accept(
	struct stream *s, int fd, uint8_t listener, const struct tp_addr *client)
{
	struct stream_connection *c = stream_connection_new(s, fd, listener, client);

	if (c)
		stream_connection_time(
			s, c, c->state == STREAM_PROXIES ? STREAM_TIMER_PROXY : STREAM_TIMER_FIRST);
}

// ---- what happened

void stream_connection_event(struct stream *s, struct stream_connection *c, uint32_t events)
{
	// Of one that waits nothing is read, so nothing else tells that the client is gone.
	if ((events & EPOLLERR) || ((events & EPOLLHUP) && stream_linked(&c->waiting))) {
		if (c->state == STREAM_SHAKES)
			stream_connection_end_for(
				s, c, STREAM_COUNT_tls_failed, "connection reset");
		else
			stream_connection_end(s, c);
		return;
	}
	c->wire.drained = false;
	switch (c->state) {
	case STREAM_PROXIES:
		stream_connection_proxy(s, c);
		return;
	case STREAM_SNIFFS:
		stream_connection_sniff(s, c);
		return;
	case STREAM_SHAKES:
		stream_connection_shake(s, c);
		return;
	case STREAM_LINGERS:
		stream_connection_linger(s, c);
		return;
	}
	if (events & EPOLLOUT) {
		c->blocked = false;
		stream_list_add(&s->dirty, &c->dirty);
	}
	if (c->relay)
		stream_relay_pump(s, c->relay);
	else if (c->state == STREAM_FINISHES)
		stream_connection_linger(s, c);
	else if (events & (EPOLLIN | EPOLLHUP | EPOLLOUT))
		stream_connection_read(s, c);
}

// ---- deadlines

uint64_t stream_connections_expire(struct stream *s)
{
	const struct {
		uint64_t after_ns;
		enum stream_counter counter;
		const char *why;
	} kinds[STREAM_TIMERS] = {
		[STREAM_TIMER_PROXY] = {s->conf->streams.handshake_s * TP_NS_PER_S,
			STREAM_COUNT_late_proxy, "header of the proxy takes too long"},
		[STREAM_TIMER_HANDSHAKE] = {s->conf->streams.handshake_s * TP_NS_PER_S,
			STREAM_COUNT_late_handshake, "handshake takes too long"},
		[STREAM_TIMER_FIRST] = {s->conf->streams.first_request_s * TP_NS_PER_S,
			STREAM_COUNT_late_first, "says nothing"},
		[STREAM_TIMER_MESSAGE] = {s->conf->streams.message_s * TP_NS_PER_S,
			STREAM_COUNT_late_message, "message takes too long"},
		[STREAM_TIMER_BIND] = {BIND_NS, STREAM_COUNT_late_bind,
			"its ConnectionBind is not answered"},
		[STREAM_TIMER_IDLE] = {s->conf->streams.dtls_idle_s * TP_NS_PER_S,
			STREAM_COUNT_idle, "says nothing any more"},
		[STREAM_TIMER_FINISH] = {FINISH_NS, STREAM_COUNTERS, "does not close"},
	};
	uint64_t next = UINT64_MAX;
	struct stream_link *link;

	for (int i = 0; i < STREAM_TIMERS; i++) {
		while ((link = stream_list_first(&s->timers[i]))) {
			struct stream_connection *c =
				STREAM_OF(link, struct stream_connection, timer);
			uint64_t due = c->since_ns + kinds[i].after_ns;

			if (due > s->now_ns) {
				next = due < next ? due : next;
				break;
			}
			if (kinds[i].counter < STREAM_COUNTERS)
				stream_connection_end_for(s, c, kinds[i].counter, kinds[i].why);
			else
				stream_connection_end(s, c);
		}
	}
	return next;
}
