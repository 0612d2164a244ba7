// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/load.h"
#include "common/base/clock.h"

#define PEER_TAG     UINT32_MAX
#define SETUP_WINDOW 64 // requests outstanding while the channels are bound
#define DRAIN_NS     TP_NS_PER_S
#define PROGRESS_NS  (100 * TP_NS_PER_MS)
#define SLOT_NS      TP_NS_PER_MS // traffic is sent in slots of a millisecond

// Handles what came in; waits at most timeout_ms for it.
static void poll_once(struct load *l, int timeout_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(l->epoll, events, 256, timeout_ms);
	uint64_t now = tp_now_ns();

	for (int i = 0; i < n; i++) {
		if (events[i].data.u32 == PEER_TAG)
			load_receive_peer(l, now);
		else
			load_receive_client(l, &l->clients[events[i].data.u32], now);
	}
}

static void tick_all(struct load *l, uint64_t now)
{
	for (uint32_t i = 0; i < l->options.clients && l->outstanding; i++)
		load_session_tick(l, &l->clients[i], now);
}

static int open_sockets(struct load *l)
{
	const struct load_options *o = &l->options;
	struct rlimit limit = {.rlim_cur = o->clients + 64, .rlim_max = o->clients + 64};
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = PEER_TAG};
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	setrlimit(RLIMIT_NOFILE, &limit);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->peer_sock = load_socket(o->peer_namespace, &o->peer_address);
	if (l->epoll < 0 || l->peer_sock < 0)
		return l->peer_sock < 0 ? l->peer_sock : -errno;
	if (getsockname(l->peer_sock, (struct sockaddr *)&sa, &len) < 0 ||
		tp_addr_from_sockaddr(&sa, &l->peer) < 0)
		return -EIO;
	epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->peer_sock, &event);

	len = (socklen_t)tp_addr_to_sockaddr(&o->server, &sa);
	for (uint32_t i = 0; i < o->clients; i++) {
		struct load_client *c = &l->clients[i];
		c->number = i;
		c->channel = 0x4000 + i % 0x1000;
		c->sock = load_socket(o->client_namespace, &o->client_address);
		if (c->sock < 0)
			return c->sock;
		if (connect(c->sock, (struct sockaddr *)&sa, len) < 0)
			return -errno;
		event.data.u32 = i;
		epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->sock, &event);
	}
	return 0;
}

static void bind_all(struct load *l)
{
	uint32_t next = 0;

	while (next < l->options.clients || l->outstanding) {
		uint64_t now = tp_now_ns();
		while (next < l->options.clients && l->outstanding < SETUP_WINDOW)
			load_session_allocate(l, &l->clients[next++], now);
		poll_once(l, 10);
		tick_all(l, tp_now_ns());
	}
}

// Sends the traffic of one slot: every client's turn comes rate_pps times a second, evenly spread.
static void send_slot(struct load *l, uint64_t slot)
{
	uint64_t total = (uint64_t)l->options.rate_pps * l->options.clients; // a second, each way
	uint64_t from = total * slot / 1000, to = total * (slot + 1) / 1000;

	for (uint64_t n = from; n < to; n++) {
		struct load_client *c = &l->clients[n % l->options.clients];
		if (!c->bound)
			continue;
		load_send_up(l, c);
		load_send_down(l, c);
	}
	load_send_flush(l);
}

static bool all_silent(const struct load *l, uint64_t now)
{
	for (uint32_t i = 0; i < l->options.clients; i++) {
		const struct load_client *c = &l->clients[i];
		if (now - c->up.last_ns < 2 * TP_NS_PER_S ||
			now - c->down.last_ns < 2 * TP_NS_PER_S)
			return false;
	}
	return true;
}

// Numbered traffic for duration_ns, or until every flow was silent for two seconds.
static void traffic(struct load *l, uint64_t duration_ns, bool until_silence)
{
	uint64_t begin = tp_now_ns(), slot = 0, refreshed = begin, ticked = begin, printed = begin,
		 told = begin;
	uint64_t period = l->options.refresh_every_s * TP_NS_PER_S;

	for (;;) {
		uint64_t now = tp_now_ns();
		if (now - begin >= duration_ns ||
			(until_silence && now - begin > TP_NS_PER_S && all_silent(l, now)))
			break;
		// After a stall the missed slots are not made up for in one burst: at most five.
		uint64_t due = (now - begin) / SLOT_NS;
		if (due > slot + 5)
			slot = due - 5;
		for (; slot < due; slot++)
			send_slot(l, slot);
		poll_once(l, 0);
		if (now - ticked > 20 * TP_NS_PER_MS) {
			tick_all(l, now);
			ticked = now;
		}
		if (l->progress && now - told > PROGRESS_NS) {
			load_progress(l, l->progress);
			told = now;
		}
		if (period && !until_silence && now - refreshed > period) {
			for (uint32_t i = 0; i < l->options.clients; i++)
				load_session_refresh(l, &l->clients[i], now);
			refreshed = now;
		}
		if (now - printed > 5 * TP_NS_PER_S) {
			load_report(l, stderr);
			printed = now;
		}
		poll_once(l, 1);
	}
}

// Waits for answers that are still due and for datagrams under way.
static void drain(struct load *l)
{
	uint64_t end = tp_now_ns() + DRAIN_NS;

	while (l->outstanding || tp_now_ns() < end) {
		poll_once(l, 10);
		tick_all(l, tp_now_ns());
	}
}

// What arrived up to here is judged for loss; later traffic only for when it stops.
static uint64_t lost(const struct load *l)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < l->options.clients; i++) {
		const struct load_client *c = &l->clients[i];
		n += (c->up.sent - c->up.received) + (c->down.sent - c->down.received);
		n += c->up.damaged + c->down.damaged;
	}
	return n;
}

static int silence_phase(struct load *l)
{
	struct load_flow *before = calloc(l->options.clients, 2 * sizeof(*before));

	if (!before)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->options.clients; i++) {
		before[2 * i] = l->clients[i].up;
		before[2 * i + 1] = l->clients[i].down;
		load_session_refresh(l, &l->clients[i], tp_now_ns());
		if (i % 32 == 31)
			poll_once(l, 1);
	}
	traffic(l, l->options.silence_limit_s * TP_NS_PER_S, true);
	// The report's counts are those of the numbered phase; only the end comes from this one.
	for (uint32_t i = 0; i < l->options.clients; i++) {
		struct load_client *c = &l->clients[i];
		before[2 * i].last_ns = c->up.last_ns;
		before[2 * i + 1].last_ns = c->down.last_ns;
		c->up = before[2 * i];
		c->down = before[2 * i + 1];
	}
	free(before);
	return 0;
}

static int phases(struct load *l)
{
	bind_all(l);
	if (l->bound != l->options.clients) {
		load_report(l, stderr);
		return -EIO;
	}
	if (l->options.ready_file) {
		int fd = open(l->options.ready_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd >= 0)
			close(fd);
	}
	traffic(l, l->options.duration_s * TP_NS_PER_S, false);
	drain(l);
	uint64_t missing = lost(l) + l->failures;
	if (l->options.until_silence && silence_phase(l) < 0)
		return -ENOMEM;
	load_report(l, stdout);
	if (l->options.json && load_report_json(l, l->options.json) < 0)
		return -EIO;
	return missing ? -ENODATA : 0;
}

int load_run(const struct load_options *options)
{
	struct load *l = calloc(1, sizeof(*l));
	int rc = -ENOMEM;

	if (!l)
		return 1;
	l->options = *options;
	l->epoll = l->peer_sock = -1;
	l->clients = calloc(options->clients, sizeof(*l->clients));
	if (!l->clients)
		goto out;
	for (uint32_t i = 0; i < options->clients; i++)
		l->clients[i].sock = -1;
	if (options->progress && !(l->progress = fopen(options->progress, "we"))) {
		rc = -errno;
		goto out;
	}
	rc = ctl_crypto_create(&l->crypto);
	if (rc < 0)
		goto out;
	rc = open_sockets(l);
	if (rc == 0)
		rc = phases(l);
	if (rc < 0 && rc != -ENODATA)
		fprintf(stderr, "turnpike-bench: %s\n", l->failure[0] ? l->failure : strerror(-rc));
	for (uint32_t i = 0; i < options->clients; i++)
		if (l->clients[i].sock >= 0)
			close(l->clients[i].sock);
out:
	if (l->peer_sock >= 0)
		close(l->peer_sock);
	if (l->epoll >= 0)
		close(l->epoll);
	if (l->progress)
		fclose(l->progress);
	ctl_crypto_destroy(l->crypto);
	free(l->clients);
	free(l);
	return rc == 0 ? 0 : 1;
}
