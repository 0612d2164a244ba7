// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/stream/streams.h"
#include "common/base/clock.h"

#define PEER_TAG      UINT32_MAX
#define SETUP_WINDOW  64 // connections that are being made at once
#define SETUP_NS      (60 * TP_NS_PER_S)
#define WARM_UP_NS    (300 * TP_NS_PER_MS)
#define SETTLE_NS     TP_NS_PER_S
#define SLOT_NS       TP_NS_PER_MS // traffic of a rate is sent in slots of a millisecond
#define FORGET_NS     (200 * TP_NS_PER_MS)
#define BURST         64 // datagrams between two looks at what arrived
#define SLOTS_MADE_UP 50 // after a stall

// Handles what came in; waits at most timeout_ms for it.
static void poll_once(struct streams *s, int timeout_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(s->epoll, events, 256, timeout_ms);

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == PEER_TAG)
			streams_receive_peer(s);
		else
			streams_event(s, &s->clients[events[i].data.u32], events[i].events);
	}
}

static void poll_until(struct streams *s, uint64_t end_ns)
{
	while (tp_now_ns() < end_ns)
		poll_once(s, 10);
}

static bool is_under_way(const struct streams_client *c)
{
	return c->state != STREAMS_OPEN && c->state != STREAMS_CLOSED;
}

// All clients connected and, when media is relayed, bound. 0 or -errno.
static int open_all(struct streams *s)
{
	uint64_t end = tp_now_ns() + SETUP_NS;
	uint32_t next = 0, first = 0;

	while (s->open < s->options.clients) {
		while (first < next && !is_under_way(&s->clients[first]))
			first++;
		while (next < s->options.clients && next - first < SETUP_WINDOW) {
			int rc = streams_connect(s, &s->clients[next++]);
			if (rc < 0)
				return rc;
		}
		poll_once(s, 10);
		if (s->closed > 0 || tp_now_ns() > end)
			return -ECONNABORTED;
	}
	return 0;
}

// ---- media

static void send_one(struct streams *s, struct streams_client *c)
{
	if (s->options.up && c->state == STREAMS_OPEN)
		streams_send_up(s, c);
	if (s->options.down && c->state == STREAMS_OPEN)
		streams_send_down(s, c);
}

static void flush_clients(struct streams *s, uint64_t from, uint64_t to)
{
	uint32_t clients = s->options.clients;

	streams_send_down_flush(s);
	if (to - from > clients)
		from = to - clients;
	for (uint64_t n = from; s->options.up && n < to; n++)
		streams_flush(s, &s->clients[n % clients]);
}

// Every client's turn comes rate_pps times a second, evenly spread.
static void traffic_by_rate(struct streams *s, uint64_t duration_ns)
{
	uint64_t begin = tp_now_ns(), slot = 0, now;
	uint64_t total = (uint64_t)s->options.rate_pps * s->options.clients; // a second

	while ((now = tp_now_ns()) - begin < duration_ns) {
		uint64_t due = (now - begin) / SLOT_NS;
		if (due > slot + SLOTS_MADE_UP)
			slot = due - SLOTS_MADE_UP;
		uint64_t from = total * slot / 1000, to = total * due / 1000;
		for (uint64_t n = from; n < to; n++)
			send_one(s, &s->clients[n % s->options.clients]);
		flush_clients(s, from, to);
		slot = due;
		poll_once(s, 1);
	}
}

// As many under way as the window says; what was lost on the way is forgotten when nothing arrives.
static void traffic_by_window(struct streams *s, uint64_t duration_ns)
{
	uint64_t begin = tp_now_ns(), now, turn = 0, seen = UINT64_MAX, since = begin;
	uint64_t lost = s->sent_up + s->sent_down - s->reached_up - s->reached_down;

	while ((now = tp_now_ns()) - begin < duration_ns) {
		uint64_t reached = s->reached_up + s->reached_down, from = turn;
		uint64_t sent = s->sent_up + s->sent_down;

		if (reached != seen) {
			seen = reached;
			since = now;
		} else if (now - since > FORGET_NS) {
			lost = sent - reached;
			since = now;
		}
		while (sent - reached - lost < s->options.window && turn - from < BURST) {
			send_one(s, &s->clients[turn++ % s->options.clients]);
			sent = s->sent_up + s->sent_down;
		}
		flush_clients(s, from, turn);
		poll_once(s, turn > from ? 0 : 1);
	}
}

static void traffic(struct streams *s, uint64_t duration_ns)
{
	(s->options.rate_pps ? traffic_by_rate : traffic_by_window)(s, duration_ns);
}

static void say_ready(const struct streams *s)
{
	int fd = s->options.ready_file
			 ? open(s->options.ready_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)
			 : -1;

	if (fd >= 0)
		close(fd);
}

// Nothing lost but what the window lets be lost, nothing wrong.
static bool media_is_good(const struct streams *s)
{
	bool good = true;

	for (uint32_t i = 0; i < s->options.clients; i++) {
		const struct streams_client *c = &s->clients[i];
		good &= c->up.wrong == 0 && c->down.wrong == 0;
		if (s->options.rate_pps)
			good &= c->up.received == c->up.sent &&
				(c->deaf || c->down.received == c->down.sent);
	}
	return good;
}

static int relay(struct streams *s, struct streams_spent *before, struct streams_spent *after)
{
	for (uint32_t i = 0; i < s->options.deaf; i++)
		s->clients[i].deaf = true;
	int rc = open_all(s);
	if (rc < 0)
		return rc;
	say_ready(s);
	if (!s->options.rate_pps)
		traffic(s, WARM_UP_NS);
	streams_spent_now(s, before);
	traffic(s, s->options.duration_s * TP_NS_PER_S);
	streams_spent_now(s, after);
	uint64_t end = tp_now_ns() + 2 * SETTLE_NS;
	while (tp_now_ns() < end && s->reached_up + s->reached_down < s->sent_up + s->sent_down)
		poll_once(s, 10);
	return media_is_good(s) ? 0 : -ENODATA;
}

// ---- connections alone

static int handshakes(struct streams *s, struct streams_spent *before, struct streams_spent *after)
{
	uint64_t end = tp_now_ns() + SETUP_NS, wanted = s->options.handshakes;
	uint64_t begun = 0;
	int rc;

	if (s->options.resume) { // the first one's ticket is for all others
		if ((rc = streams_connect(s, &s->clients[0])) < 0)
			return rc;
		while (!s->ticket && tp_now_ns() < end && s->closed == 0)
			poll_once(s, 10);
		if (!s->ticket)
			return -ETIME;
		streams_end(s, &s->clients[0]);
		poll_until(s, tp_now_ns() + SETTLE_NS / 10);
		s->done = 0;
	}
	streams_spent_now(s, before);
	while (s->done < wanted && tp_now_ns() < end && s->closed == 0) {
		for (uint32_t i = 0; i < s->options.clients && begun < wanted; i++)
			if (s->clients[i].state == STREAMS_CLOSED) {
				if ((rc = streams_connect(s, &s->clients[i])) < 0)
					return rc;
				begun++;
			}
		poll_once(s, 10);
	}
	poll_until(s, tp_now_ns() + SETTLE_NS / 10);
	streams_spent_now(s, after);
	return s->done < wanted ? -ETIME : 0;
}

static int idle(struct streams *s, struct streams_spent *before, struct streams_spent *after)
{
	streams_spent_now(s, before);
	int rc = open_all(s);
	poll_until(s, tp_now_ns() + SETTLE_NS);
	say_ready(s);
	streams_spent_now(s, after);
	return rc;
}

// ---- the whole

static int keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	struct streams *s = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	if (s->ticket || !s->options.resume)
		return 0;
	s->ticket = session;
	return 1;
}

static int make_tls(struct streams *s)
{
	s->tls = SSL_CTX_new(TLS_client_method());
	if (!s->tls || SSL_CTX_set_ciphersuites(s->tls, "TLS_AES_128_GCM_SHA256") != 1 ||
		SSL_CTX_set_cipher_list(s->tls, "ECDHE+AES128+AESGCM") != 1)
		return -ENOMEM;
	SSL_CTX_set_mode(s->tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(s->tls, 1);
	SSL_CTX_set_default_read_buffer_len(s->tls, 16384);
	SSL_CTX_set_session_cache_mode(
		s->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_set_app_data(s->tls, s);
	SSL_CTX_sess_set_new_cb(s->tls, keep_ticket);
	return 0;
}

static int prepare(struct streams *s)
{
	const struct streams_options *o = &s->options;
	struct rlimit limit = {.rlim_cur = o->clients + 64, .rlim_max = o->clients + 64};
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = PEER_TAG};
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	setrlimit(RLIMIT_NOFILE, &limit);
	for (uint32_t i = 0; i < o->clients; i++) {
		s->clients[i].number = i;
		s->clients[i].channel = (uint16_t)(0x4000 + i % 0x1000);
		s->clients[i].sock = -1;
		s->clients[i].state = STREAMS_CLOSED;
	}
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0)
		return -errno;
	if (o->mode == STREAMS_ALONE)
		return make_tls(s);
	s->peer_sock = streams_socket(o->peer_namespace, &o->peer_address, SOCK_DGRAM);
	if (s->peer_sock < 0)
		return s->peer_sock;
	if (getsockname(s->peer_sock, (struct sockaddr *)&sa, &length) < 0 ||
		tp_addr_from_sockaddr(&sa, &s->peer) < 0)
		return -EIO;
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->peer_sock, &event);
	int rc = ctl_crypto_create(&s->crypto);
	return rc < 0 ? rc : make_tls(s);
}

static void clean(struct streams *s)
{
	for (uint32_t i = 0; i < s->options.clients; i++) {
		if (s->clients[i].state == STREAMS_OPEN)
			s->clients[i].state = STREAMS_ENDS; // not the server's doing
		streams_close(s, &s->clients[i]);
	}
	if (s->peer_sock >= 0)
		close(s->peer_sock);
	if (s->epoll >= 0)
		close(s->epoll);
	SSL_SESSION_free(s->ticket);
	SSL_CTX_free(s->tls);
	ctl_crypto_destroy(s->crypto);
	free(s->clients);
	free(s);
}

int streams_run(const struct streams_options *options)
{
	static int (*const modes[])(
		struct streams *, struct streams_spent *, struct streams_spent *) = {
		[STREAMS_RELAY] = relay,
		[STREAMS_HANDSHAKES] = handshakes,
		[STREAMS_IDLE] = idle,
		[STREAMS_ALONE] = streams_alone,
	};
	struct streams *s = calloc(1, sizeof(*s));
	struct streams_spent before = {0}, after = {0};
	int rc;

	if (!s)
		return 1;
	s->options = *options;
	s->epoll = s->peer_sock = -1;
	s->clients = calloc(options->clients, sizeof(*s->clients));
	rc = s->clients ? prepare(s) : -ENOMEM;
	if (rc == 0)
		rc = modes[options->mode](s, &before, &after);
	if (rc == 0 && s->closed > 0)
		rc = -ECONNRESET;
	if (rc < 0 && !s->failure[0])
		snprintf(s->failure, sizeof(s->failure), "%s", strerror(-rc));
	streams_report(s, &before, &after, stdout);
	if (s->clients)
		clean(s);
	return rc == 0 ? 0 : 1;
}
