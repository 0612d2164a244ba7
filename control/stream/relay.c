// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/relay.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/stream/stream.h"

#define CONNECT_NS (30 * TP_NS_PER_S) // RFC 6062 section 5.2: at least 30 seconds
#define WAIT_NS    (30 * TP_NS_PER_S) // sections 5.2 and 5.3
#define BYTES_NS   TP_NS_PER_S        // how old an account may be
#define CLOSE_NS   (5 * TP_NS_PER_S)

void stream_relays_init(struct stream *s)
{
	stream_list_init(&s->relays.talk);
	stream_list_init(&s->relays.held);
	for (int i = 0; i < STREAM_RELAY_TIMERS; i++)
		stream_list_init(&s->relays.timers[i]);
}

static struct stream_relay **place(const struct stream *s, uint32_t id)
{
	return (struct stream_relay **)&s->relays.bucket[id % STREAM_RELAY_BUCKETS];
}

struct stream_relay *stream_relay_find(const struct stream *s, uint32_t id)
{
	struct stream_relay *r = *place(s, id);

	while (r && r->id != id)
		r = r->next;
	return r;
}

static struct stream_relay *add(struct stream *s, uint32_t id)
{
	struct stream_relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->id = id;
	r->fd = -1;
	r->next = *place(s, id);
	*place(s, id) = r;
	s->relays.count++;
	return r;
}

struct stream_relay *stream_relay_new(struct stream *s, uint32_t id)
{
	return s->relays.count < s->conf->streams.connections ? add(s, id) : NULL;
}

void stream_relay_deny(struct stream *s, const struct tp_stream_far *said, int error)
{
	struct stream_relay *r = stream_relay_find(s, said->id) ? NULL : add(s, said->id);

	if (error)
		stream_count(s, STREAM_COUNT_relay_failed, 1);
	if (!r)
		return; // control waits in vain, for a while
	r->owner = said->owner;
	r->address = said->relay;
	r->peer = said->peer;
	r->error = error;
	r->known = true;
	stream_relay_tell(s, r, error ? STREAM_RELAY_DUE_CONNECTED : STREAM_RELAY_DUE_GONE);
}

void stream_relay_join(struct stream_relay *r, struct stream_relayed *of)
{
	r->of = of;
	stream_list_add(&of->relays, &r->of_link);
}

void stream_relay_time(struct stream *s, struct stream_relay *r, enum stream_relay_timer timer)
{
	stream_list_remove(&r->timer);
	r->since_ns = s->now_ns;
	stream_list_add(&s->relays.timers[timer], &r->timer);
}

void stream_relay_forget(struct stream *s, struct stream_relay *r)
{
	struct stream_relay **at = place(s, r->id);

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	stream_list_remove(&r->talk);
	s->relays.count--;
	free(r);
}

void stream_relay_tell(struct stream *s, struct stream_relay *r, enum stream_relay_due what)
{
	r->due |= (uint16_t)what;
	stream_list_add(&s->relays.talk, &r->talk);
}

// Whoever is over is remembered until control was told, if it has to be told.
static void over(struct stream *s, struct stream_relay *r)
{
	if (r->known) {
		r->due = 0;
		stream_relay_tell(s, r, STREAM_RELAY_DUE_GONE);
	} else {
		stream_relay_forget(s, r);
	}
}

void stream_relay_end(struct stream *s, struct stream_relay *r)
{
	struct stream_relayed *of = r->of;
	bool unjudged = r->state == TP_STREAM_FAR_UNJUDGED;

	if (r->client)
		r->client->relay = NULL;
	r->client = NULL;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	free(r->up.bytes);
	free(r->down.bytes);
	r->up.bytes = r->down.bytes = NULL;
	r->of = NULL;
	stream_list_remove(&r->timer);
	stream_list_remove(&r->of_link);
	stream_relay_leave(s, r);
	stream_count(s, STREAM_COUNT_relay_closed, 1);
	over(s, r);
	if (unjudged && of)
		stream_relay_judged(s, of);
}

// A reset instead of an end: what is cut must not look as if it were whole.
static void reset_at_close(int fd)
{
	const struct linger now = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void stream_relay_cut(struct stream *s, struct stream_relay *r)
{
	struct stream_connection *c = r->client;

	if (r->fd >= 0)
		reset_at_close(r->fd);
	stream_relay_end(s, r);
	if (!c)
		return;
	if (c->ssl)
		SSL_set_quiet_shutdown(c->ssl, 1); // no close_notify: the client sees it
	else
		reset_at_close(c->fd);
	stream_connection_end(s, c);
}

static void late(struct stream *s, struct stream_relay *r, enum stream_relay_timer timer)
{
	switch (timer) {
	case STREAM_RELAY_TIMER_CONNECT:
		stream_count(s, STREAM_COUNT_relay_failed, 1);
		r->error = ETIMEDOUT;
		stream_relay_tell(s, r, STREAM_RELAY_DUE_CONNECTED);
		stream_list_remove(&r->timer);
		break;
	case STREAM_RELAY_TIMER_WAIT:
		stream_count(s, STREAM_COUNT_relay_unbound, 1);
		stream_relay_end(s, r);
		break;
	case STREAM_RELAY_TIMER_BYTES:
		stream_list_remove(&r->timer);
		stream_relay_tell(s, r, STREAM_RELAY_DUE_BYTES);
		break;
	default:
		stream_relay_cut(s, r);
	}
}

uint64_t stream_relays_expire(struct stream *s)
{
	static const uint64_t after_ns[STREAM_RELAY_TIMERS] = {
		[STREAM_RELAY_TIMER_CONNECT] = CONNECT_NS,
		[STREAM_RELAY_TIMER_WAIT] = WAIT_NS,
		[STREAM_RELAY_TIMER_BYTES] = BYTES_NS,
		[STREAM_RELAY_TIMER_CLOSE] = CLOSE_NS,
	};
	uint64_t next = UINT64_MAX;
	struct stream_link *link;

	for (int i = 0; i < STREAM_RELAY_TIMERS; i++) {
		while ((link = stream_list_first(&s->relays.timers[i]))) {
			struct stream_relay *r = STREAM_OF(link, struct stream_relay, timer);
			uint64_t due = r->since_ns + after_ns[i];

			if (due > s->now_ns) {
				next = due < next ? due : next;
				break;
			}
			late(s, r, (enum stream_relay_timer)i);
		}
	}
	return next;
}

void stream_relayed_free(struct stream *s, struct stream_connection *owner)
{
	struct stream_relayed *of = owner->relayed;
	struct stream_link *link;

	if (!of)
		return;
	owner->relayed = NULL;
	for (int i = 0; i < 2; i++)
		if (of->listener[i].fd >= 0) {
			close(of->listener[i].fd);
			of->listener[i].fd = -1;
		}
	while ((link = stream_list_first(&of->relays))) {
		struct stream_relay *r = STREAM_OF(link, struct stream_relay, of_link);

		r->of = NULL; // nobody to be judged any more
		stream_relay_cut(s, r);
	}
	free(of);
}

void stream_relays_close(struct stream *s)
{
	for (size_t i = 0; i < STREAM_RELAY_BUCKETS; i++)
		while (s->relays.bucket[i]) {
			struct stream_relay *r = s->relays.bucket[i];

			r->known = false;
			stream_relay_cut(s, r);
		}
}
