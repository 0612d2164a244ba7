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

static int open_sockets(struct load *l)
{
	const struct load_options *o = &l->options;
	struct rlimit limit = {.rlim_cur = o->clients + 64, .rlim_max = o->clients + 64};
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = LOAD_PEER_TAG};
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	setrlimit(RLIMIT_NOFILE, &limit);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->peer_sock = load_socket(o->peer_namespace, &o->peer_address, 0);
	if (l->epoll < 0 || l->peer_sock < 0)
		return l->peer_sock < 0 ? l->peer_sock : -errno;
	if (getsockname(l->peer_sock, (struct sockaddr *)&sa, &len) < 0 ||
		tp_addr_from_sockaddr(&sa, &l->peer) < 0)
		return -EIO;
	epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->peer_sock, &event);

	for (uint32_t i = 0; i < o->clients; i++) {
		struct load_client *c = &l->clients[i];
		c->number = i;
		c->channel = 0x4000 + i % 0x1000;
		int rc = load_client_open(l, c);
		if (rc)
			return rc;
	}
	return 0;
}

static void bind_all(struct load *l)
{
	uint32_t next = 0;

	while (next < l->options.clients || l->outstanding) {
		uint64_t now = tp_now_ns();
		while (next < l->options.clients && l->outstanding < l->options.at_a_time)
			load_session_allocate(l, &l->clients[next++], now);
		load_poll(l, 10);
		load_tick(l, tp_now_ns());
	}
	l->refreshed_ns = tp_now_ns();
}

// A reflector knows no requests.
static void take_as_bound(struct load *l)
{
	for (uint32_t i = 0; i < l->options.clients; i++)
		l->clients[i].bound = true;
	l->bound = l->options.clients;
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
			load_poll(l, 1);
	}
	load_traffic(l, l->options.silence_limit_s * TP_NS_PER_S, true);
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

static int traffic_phases(struct load *l)
{
	load_traffic(l, l->options.duration_s * TP_NS_PER_S, false);
	load_drain(l);
	uint64_t missing = lost(l) + l->failures;
	if (l->options.until_silence && silence_phase(l) < 0)
		return -ENOMEM;
	load_report(l, stdout);
	if (l->options.json && load_report_json(l, l->options.json) < 0)
		return -EIO;
	return missing ? -ENODATA : 0;
}

static int phases(struct load *l)
{
	if (l->options.test == LOAD_ALLOCATIONS || l->options.test == LOAD_CYCLES)
		return load_rate(l);
	if (l->options.test == LOAD_ECHO)
		take_as_bound(l);
	else
		bind_all(l);
	if (l->bound != l->options.clients) {
		load_report(l, stderr);
		return -EIO;
	}
	int rc = l->media ? load_media_find_ways(l) : 0;
	if (rc)
		return rc;
	if (l->options.ready_file) {
		int fd = open(l->options.ready_file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd >= 0)
			close(fd);
	}
	return l->options.test == LOAD_SEARCH ? load_search(l) : traffic_phases(l);
}

int load_run(const struct load_options *options)
{
	struct load *l = calloc(1, sizeof(*l));
	int rc = -ENOMEM;

	if (!l)
		return 1;
	l->options = *options;
	l->pps = (uint64_t)options->rate_pps * options->clients;
	l->epoll = l->peer_sock = -1;
	l->clients = calloc(options->clients, sizeof(*l->clients));
	l->ready = calloc(options->clients, sizeof(*l->ready));
	if (!l->clients || !l->ready)
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
	if (rc == 0 && options->xdp)
		rc = load_media_open(l);
	if (rc == 0)
		rc = phases(l);
	if (rc < 0 && rc != -ENODATA)
		fprintf(stderr, "turnpike-bench: %s\n", l->failure[0] ? l->failure : strerror(-rc));
	for (uint32_t i = 0; i < options->clients; i++)
		if (l->clients[i].sock >= 0)
			close(l->clients[i].sock);
out:
	load_media_close(l);
	if (l->peer_sock >= 0)
		close(l->peer_sock);
	if (l->epoll >= 0)
		close(l->epoll);
	if (l->progress)
		fclose(l->progress);
	ctl_crypto_destroy(l->crypto);
	free(l->clients);
	free(l->ready);
	free(l);
	return rc == 0 ? 0 : 1;
}
