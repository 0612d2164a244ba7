// SPDX-License-Identifier: BSD-3-Clause
// One turn after the other: what happened, what workers and control sent, then everything that
// became ready for somebody leaves at once.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/notify.h"
#include "config/conf_load.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define EVENTS       256
#define WAITS_FOR_MS 1 // rings have no event for "there is room again"

int stream_watch(struct stream *s, int fd, uint32_t events, enum stream_event what, uint32_t n)
{
	struct epoll_event e = {.events = events, .data.u64 = (uint64_t)what << 32 | n};

	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

// ---- orders

void stream_drain(struct stream *s)
{
	if (s->draining)
		return;
	tp_notice("takes no new clients; ends with the last of %u", s->table.used);
	s->draining = true;
	s->drained_ns = s->now_ns;
	stream_unlisten(s);
	stream_peers_draining(s);
}

// Those who do not leave have to, in the end. Returns when to come again; UINT64_MAX: never.
static uint64_t expire_drain(struct stream *s)
{
	uint64_t due = s->drained_ns + s->conf->streams.drain_s * TP_NS_PER_S;

	if (!s->draining || s->conf->streams.drain_s == 0)
		return UINT64_MAX;
	if (s->now_ns < due)
		return due;
	if (!s->stop)
		tp_notice("streams.drain_s is over");
	s->stop = true;
	return s->now_ns;
}

// What changes is for new clients. Listeners stay as they are.
void stream_reload(struct stream *s)
{
	struct stream_tls *tls = NULL, *dtls = NULL;
	struct conf *fresh;
	int rc = conf_load_again(s->conf->path, &fresh, stderr);

	if (rc == 0) {
		conf_forget_credentials(fresh);
		if (s->tls || s->dtls) {
			stream_certificates_watch(s, fresh);
			rc = stream_certificates_read(s, fresh, &tls, &dtls);
		}
		if (rc)
			conf_free(fresh);
		if (rc && (s->tls || s->dtls))
			stream_certificates_watch(s, s->conf);
	}
	if (rc) {
		stream_tls_destroy(tls);
		tp_error("%s: nothing of it is taken, the old configuration stays", s->conf->path);
		return;
	}
	if (fresh->streams.connections > s->table.capacity)
		tp_warning("streams.connections: there is room for %u until a restart",
			s->table.capacity);
	stream_tls_replace(&s->tls, tls);
	stream_tls_replace(&s->dtls, dtls);
	conf_free(s->conf);
	s->conf = fresh;
	stream_relays_rate(s, conf_bytes_per_second(fresh));
	tp_log_limit((enum tp_log_level)fresh->log_level);
	tp_notice("%s read again, certificates too", fresh->path);
}

static void on_signal(struct stream *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	switch (info.ssi_signo) {
	case SIGHUP:
		stream_reload(s);
		break;
	case SIGUSR1:
		stream_counters_log(&s->counters);
		break;
	default:
		s->stop = true;
	}
}

// ---- one turn

static void on_event(struct stream *s, uint64_t data, uint32_t events)
{
	uint32_t n = (uint32_t)data;
	struct stream_connection *c;

	switch ((enum stream_event)(data >> 32)) {
	case STREAM_EVENT_CONNECTION:
		c = stream_table_find(&s->table, n);
		if (c && c->state != STREAM_IS_GONE)
			stream_connection_event(s, c, events);
		break;
	case STREAM_EVENT_LISTENER:
		stream_accept(s, n);
		break;
	case STREAM_EVENT_PEER:
		stream_peer_event(s, (enum stream_peer_name)n);
		break;
	case STREAM_EVENT_DOWN:
		s->down_fired |= (uint16_t)(1u << n);
		break;
	case STREAM_EVENT_RESPONSE:
		s->response_fired = true;
		break;
	case STREAM_EVENT_DIRECTORY:
		stream_peers_directory_event(s);
		break;
	case STREAM_EVENT_CERTIFICATES:
		stream_certificates_event(s);
		break;
	case STREAM_EVENT_SIGNAL:
		on_signal(s);
		break;
	case STREAM_EVENT_RELAY:
		stream_relay_event(s, n, events);
		break;
	case STREAM_EVENT_RELAYED_FIRST:
	case STREAM_EVENT_RELAYED_SECOND:
		stream_relay_accept(s, n, data >> 32 == STREAM_EVENT_RELAYED_SECOND);
		break;
	}
}

// Draining an eventfd is a system call: only when it was written.
static void awake(struct tp_ring *ring, bool fired)
{
	if (fired)
		tp_ring_wake(ring);
	else
		atomic_store_explicit(&ring->shared->sleeping, 0, memory_order_relaxed);
}

static void rings_awake(struct stream *s)
{
	for (uint16_t w = 0; s->has_media && w < s->media.workers; w++)
		awake(&s->media.down[w], s->down_fired >> w & 1);
	s->down_fired = 0;
	if (s->has_control)
		awake(&s->control.response, s->response_fired);
	s->response_fired = false;
}

// False: one of them has something.
static bool rings_sleep(struct stream *s)
{
	bool all = true;

	for (uint16_t w = 0; all && s->has_media && w < s->media.workers; w++)
		all = tp_ring_sleep(&s->media.down[w]);
	if (all && s->has_control)
		all = tp_ring_sleep(&s->control.response);
	return all;
}

// How long epoll may wait: until the next deadline, rounded up.
static int timeout_ms(struct stream *s, uint64_t due_ns, bool more)
{
	uint64_t ms;

	if (more || stream_list_first(&s->again))
		return 0;
	ms = due_ns == UINT64_MAX  ? UINT64_MAX
	     : due_ns <= s->now_ns ? 0
				   : (due_ns - s->now_ns + TP_NS_PER_MS - 1) / TP_NS_PER_MS;
	// Clients that wait to be read on, or to be heard by control.
	if (ms > WAITS_FOR_MS &&
		(stream_list_first(&s->waiting) ||
			(s->has_control && (s->greets || stream_list_first(&s->talk) ||
						   stream_list_first(&s->relays.talk)))))
		ms = WAITS_FOR_MS;
	return ms == UINT64_MAX ? -1 : ms > 60000 ? 60000 : (int)ms;
}

static void read_on(struct stream *s, struct stream_list *list, size_t link_offset)
{
	struct stream_link *link;
	struct stream_list now;

	stream_list_take(list, &now);
	while ((link = stream_list_first(&now)))
		stream_connection_read(
			s, (struct stream_connection *)(void *)((char *)link - link_offset));
}

static void flush_all(struct stream *s)
{
	struct stream_link *link;

	stream_media_flush(s);
	stream_requests_flush(s);
	while ((link = stream_list_first(&s->dirty)))
		stream_connection_flush(s, STREAM_OF(link, struct stream_connection, dirty));
	// An end that a write found.
	stream_requests_flush(s);
}

static void free_gone(struct stream *s)
{
	struct stream_link *link;

	while ((link = stream_list_first(&s->gone))) {
		struct stream_connection *c = STREAM_OF(link, struct stream_connection, gone);

		stream_list_remove(&c->gone);
		stream_list_remove(&c->talk);
		stream_table_remove(&s->table, c->number);
		free(c);
	}
}

static uint64_t earliest(const uint64_t *due_ns, size_t n)
{
	uint64_t first = UINT64_MAX;

	for (size_t i = 0; i < n; i++)
		first = due_ns[i] < first ? due_ns[i] : first;
	return first;
}

static int turn(struct stream *s, bool *more)
{
	struct epoll_event events[EVENTS];
	uint64_t due[] = {stream_connections_expire(s), stream_peers_retry(s),
		stream_certificates_expire(s), expire_drain(s), stream_relays_expire(s),
		stream_relays_release(s), stream_dtls_repeat(s)};
	int timeout, n;

	flush_all(s); // what expiry ended
	free_gone(s);
	timeout = timeout_ms(s, earliest(due, sizeof(due) / sizeof(due[0])), *more);
	if (timeout != 0 && !rings_sleep(s))
		timeout = 0;
	n = epoll_wait(s->epoll_fd, events, EVENTS, timeout);
	if (n < 0 && errno != EINTR)
		return -errno;
	s->now_ns = tp_now_ns();
	stream_count(s, STREAM_COUNT_turns, 1);
	for (int i = 0; i < n; i++)
		on_event(s, events[i].data.u64, events[i].events);
	rings_awake(s);
	read_on(s, &s->waiting, offsetof(struct stream_connection, waiting));
	read_on(s, &s->again, offsetof(struct stream_connection, again));
	*more = stream_media_down(s);
	*more |= stream_responses(s);
	flush_all(s);
	free_gone(s);
	return 0;
}

int stream_loop_run(struct stream *s)
{
	bool more = false;
	int rc = 0;

	tp_notify_service_manager("READY=1");
	while (rc == 0 && !s->stop && !(s->draining && s->table.used == 0))
		rc = turn(s, &more);
	tp_notify_service_manager("STOPPING=1");
	if (rc)
		tp_error("epoll: %s", strerror(-rc));
	tp_notice("ends: %s, %u clients",
		rc        ? "failed"
		: s->stop ? "stopped"
			  : "drained",
		s->table.used);
	return rc;
}
