// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/cycles/cycles.h"
#include "bench/load/load.h"
#include "common/base/clock.h"

#define PEER    UINT32_MAX
#define EVENTS  64
#define TICK_NS (50 * TP_NS_PER_MS)

static int open_peer(struct cycles *c)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = PEER};
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return -errno;
	c->peer_sock = load_socket(c->options.peer_namespace, &c->options.peer_address, 0);
	if (c->peer_sock < 0)
		return c->peer_sock;
	if (getsockname(c->peer_sock, (struct sockaddr *)&sa, &length) < 0 ||
		tp_addr_from_sockaddr(&sa, &c->peer) < 0 ||
		epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->peer_sock, &event) < 0)
		return -EIO;
	return 0;
}

static void echo(struct cycles *c)
{
	struct sockaddr_storage from;
	uint8_t data[2048];

	for (;;) {
		socklen_t length = sizeof(from);
		ssize_t n = recvfrom(
			c->peer_sock, data, sizeof(data), 0, (struct sockaddr *)&from, &length);
		if (n < 0)
			return;
		sendto(c->peer_sock, data, (size_t)n, 0, (struct sockaddr *)&from, length);
	}
}

static void receive(struct cycles *c, struct cycle *p, uint64_t now_ns)
{
	uint8_t data[2048];
	ssize_t n;

	while (p->sock >= 0 && (n = recv(p->sock, data, sizeof(data), 0)) >= 0)
		cycle_input(c, p, data, (size_t)n, now_ns);
}

static int start_idle(struct cycles *c)
{
	int rc = 0;

	for (uint32_t i = 0; i < c->options.at_a_time && rc == 0; i++)
		if (!c->cycle[i].busy && c->begun < c->options.cycles)
			rc = cycle_begin(c, &c->cycle[i], tp_now_ns());
	return rc;
}

static int work(struct cycles *c)
{
	struct epoll_event event[EVENTS];
	uint64_t ticked_ns = 0;
	int rc;

	while (c->done < c->options.cycles) {
		if ((rc = start_idle(c)) < 0)
			return rc;
		int n = epoll_wait(c->epoll, event, EVENTS, (int)(TICK_NS / TP_NS_PER_MS));
		uint64_t now_ns = tp_now_ns();
		for (int i = 0; i < n; i++)
			if (event[i].data.u32 == PEER)
				echo(c);
			else
				receive(c, &c->cycle[event[i].data.u32], now_ns);
		if (now_ns - ticked_ns < TICK_NS)
			continue;
		for (uint32_t i = 0; i < c->options.at_a_time; i++)
			cycle_tick(c, &c->cycle[i], now_ns);
		ticked_ns = now_ns;
	}
	return 0;
}

static void report(const struct cycles *c, uint64_t took_ns)
{
	double seconds = (double)took_ns / (double)TP_NS_PER_S;

	printf("{\"cycles\": %llu, \"unexpected\": %llu, \"requests\": %llu, "
	       "\"retransmissions\": %llu, \"ports_met_again\": %llu, \"seconds\": %.3f, "
	       "\"cycles_per_second\": %.0f",
		(unsigned long long)c->done, (unsigned long long)c->unexpected,
		(unsigned long long)c->requests, (unsigned long long)c->retransmissions,
		(unsigned long long)c->ports_met_again, seconds, (double)c->done / seconds);
	for (int w = 0; w < CYCLE_WAYS; w++)
		printf(", \"%s\": %llu", cycle_way_name((enum cycle_way)w),
			(unsigned long long)c->ways[w]);
	puts("}");
}

static void close_all(struct cycles *c)
{
	for (uint32_t i = 0; c->cycle && i < c->options.at_a_time; i++)
		if (c->cycle[i].sock >= 0)
			close(c->cycle[i].sock);
	if (c->peer_sock >= 0)
		close(c->peer_sock);
	if (c->epoll >= 0)
		close(c->epoll);
	ctl_crypto_destroy(c->crypto);
	free(c->cycle);
}

int cycles_run(const struct cycles_options *options)
{
	struct cycles c = {.options = *options, .peer_sock = -1, .epoll = -1};
	uint64_t begin_ns = tp_now_ns();
	int rc = -ENOMEM;

	c.cycle = calloc(options->at_a_time, sizeof(*c.cycle));
	for (uint32_t i = 0; c.cycle && i < options->at_a_time; i++)
		c.cycle[i].sock = -1;
	if (c.cycle)
		rc = ctl_crypto_create(&c.crypto);
	if (rc == 0)
		rc = open_peer(&c);
	if (rc == 0)
		rc = work(&c);
	if (rc == 0)
		report(&c, tp_now_ns() - begin_ns);
	if (rc < 0 || c.unexpected)
		fprintf(stderr, "turnpike-bench: %s\n", c.failure[0] ? c.failure : strerror(-rc));
	close_all(&c);
	return rc < 0 || c.unexpected ? 1 : 0;
}
