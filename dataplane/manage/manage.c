// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "dataplane/cmd/apply.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/net/net.h"
#include "dataplane/path/worker.h"

#define EVENTS_PER_TURN 32
// How long a turn blocks at most while control takes no acknowledgements, and while workers have
// not yet let go of old rings.
#define ACKS_FULL_MS 1
#define RETIRED_MS   10

int dp_manage_watch(struct dp_manage *m, int fd, enum manage_event kind, uint32_t index)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = ((uint64_t)kind << 32) | index};

	return epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_timer(struct dp_manage *m)
{
	const struct itimerspec quarter = {
		.it_interval.tv_nsec = TP_BEAT_EVERY_NS, .it_value.tv_nsec = TP_BEAT_EVERY_NS};

	m->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->timer_fd < 0 || timerfd_settime(m->timer_fd, 0, &quarter, NULL) < 0)
		return -errno;
	return dp_manage_watch(m, m->timer_fd, MANAGE_EVENT_TIMER, 0);
}

static int open_signals(struct dp_manage *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signal_fd < 0)
		return -errno;
	return dp_manage_watch(m, m->signal_fd, MANAGE_EVENT_SIGNAL, 0);
}

static int open_loop(struct dp_manage *m)
{
	int rc;

	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll_fd < 0)
		return -errno;
	rc = open_timer(m);
	if (rc == 0)
		rc = open_signals(m);
	if (rc == 0)
		rc = dp_manage_moves_open(m);
	if (rc == 0 && m->dp->net)
		rc = dp_manage_watch(m, dp_net_fd(m->dp->net), MANAGE_EVENT_NET, 0);
	if (rc < 0)
		tp_error("cannot set up the management loop: %s", strerror(-rc));
	return rc;
}

int dp_manage_create(struct dp *dp, struct dp_manage **out)
{
	struct dp_manage *m = calloc(1, sizeof(*m));
	int rc;

	*out = NULL;
	if (!m)
		return -ENOMEM;
	m->dp = dp;
	m->epoll_fd = m->listen_fd = m->timer_fd = m->signal_fd = m->region.fd = m->moves.event_fd =
		-1;
	m->control_since_ns = tp_now_ns();
	for (size_t i = 0; i < MANAGE_MAX_CLIENTS; i++)
		m->clients[i].fd = -1;
	rc = open_loop(m);
	if (rc == 0)
		rc = dp_manage_region_create(m);
	if (rc == 0)
		dp_manage_beat(m, tp_now_ns());
	if (rc == 0)
		rc = dp_manage_listen(m);
	if (rc < 0) {
		dp_manage_destroy(m);
		return rc;
	}
	*out = m;
	return 0;
}

void dp_manage_destroy(struct dp_manage *m)
{
	if (!m)
		return;
	dp_manage_unlisten(m);
	for (size_t i = 0; i < MANAGE_MAX_CLIENTS; i++)
		dp_manage_client_close(m, &m->clients[i]);
	dp_manage_reclaim(m, true);
	dp_manage_streams_reclaim(m, true);
	dp_manage_moves_close(m);
	tp_shm_close(&m->region);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	if (m->timer_fd >= 0)
		close(m->timer_fd);
	if (m->epoll_fd >= 0)
		close(m->epoll_fd);
	free(m);
}

void dp_manage_tick(struct dp_manage *m, uint64_t now_ns)
{
	m->ticks++;
	dp_manage_nonce_key(m);
	dp_manage_region_hold_again(m);
	dp_manage_clients_tick(m);
	if (m->dp->net)
		dp_net_tick(m->dp->net, now_ns);
}

// Missed beats are not made up for, missed ticks are, by one.
static void quarter(struct dp_manage *m, uint64_t expirations, uint64_t now_ns)
{
	dp_manage_beat(m, now_ns);
	m->quarters += expirations > 4 ? 4 : (uint32_t)expirations;
	if (m->quarters < 4)
		return;
	m->quarters = 0;
	dp_manage_tick(m, now_ns);
}

// Routes moved: brings the flows after them, a slice a turn. A move during that starts over at the
// end, so that every flow is seen after the last move.
static void resolve(struct dp_manage *m)
{
	uint64_t generation = m->dp->net ? dp_net_generation(m->dp->net) : 0;

	if (!m->resolving && generation == m->resolved_generation)
		return;
	if (!m->resolving)
		m->resolved_generation = generation;
	m->resolving = dp_apply_resolve_slice(m->dp->apply, MANAGE_RESOLVE_PER_TURN);
}

static int min_timeout(int a, int b)
{
	return a < 0 ? b : a < b ? a : b;
}

// How long this turn may block, -1 for ever. Announces to control that we are about to.
static int turn_timeout(struct dp_manage *m, int timeout_ms)
{
	if (m->resolving)
		timeout_ms = 0;
	if (m->n_probing > 0)
		timeout_ms = min_timeout(timeout_ms, dp_manage_probes_timeout(m, tp_now_ns()));
	if (m->moves_left)
		timeout_ms = min_timeout(timeout_ms, ACKS_FULL_MS);
	if (m->retired || m->retired_streams)
		timeout_ms = min_timeout(timeout_ms, RETIRED_MS);
	if (m->attached && m->acks_full)
		timeout_ms = min_timeout(timeout_ms, ACKS_FULL_MS);
	else if (m->attached && timeout_ms != 0) {
		m->asleep = tp_ring_sleep(&m->attached->command);
		if (!m->asleep)
			timeout_ms = 0;
	}
	return timeout_ms;
}

static int handle_signal(struct dp_manage *m)
{
	struct signalfd_siginfo info;

	if (read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		tp_notice("%s: stopping", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
		m->stop = true;
	}
	return 0;
}

static int handle_event(struct dp_manage *m, const struct epoll_event *event)
{
	uint64_t expirations;

	switch ((enum manage_event)(event->data.u64 >> 32)) {
	case MANAGE_EVENT_TIMER:
		if (read(m->timer_fd, &expirations, sizeof(expirations)) > 0)
			quarter(m, expirations, tp_now_ns());
		return 0;
	case MANAGE_EVENT_SIGNAL:
		return handle_signal(m);
	case MANAGE_EVENT_NET:
		return dp_net_process(m->dp->net);
	case MANAGE_EVENT_CLIENT:
		dp_manage_client_readable(m, (uint32_t)event->data.u64, event->events);
		return 0;
	case MANAGE_EVENT_COMMAND: // a wake-up may also come late, when nobody sleeps any more
		if (m->attached)
			tp_ring_wake(&m->attached->command);
		return 0;
	case MANAGE_EVENT_MOVES: // every turn looks
		tp_event_drain(m->moves.event_fd);
		return 0;
	case MANAGE_EVENT_LISTEN: // after all others, so that no place is re-used under an event
		return 0;
	}
	return 0;
}

int dp_manage_turn(struct dp_manage *m, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	bool accepting = false;
	int n, rc = 0;

	n = epoll_wait(m->epoll_fd, events, EVENTS_PER_TURN, turn_timeout(m, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	if (m->asleep && m->attached)
		tp_ring_wake(&m->attached->command);
	m->asleep = false;
	for (int i = 0; i < n && rc == 0; i++) {
		rc = handle_event(m, &events[i]);
		accepting |= events[i].data.u64 >> 32 == MANAGE_EVENT_LISTEN;
	}
	if (rc < 0) {
		tp_error("the kernel's routing cannot be followed any more: %s", strerror(-rc));
		return rc;
	}
	if (accepting)
		dp_manage_accept(m);
	if (m->n_probing > 0)
		dp_manage_probes(m, tp_now_ns());
	dp_manage_moves(m);
	dp_manage_commands(m);
	resolve(m);
	dp_manage_reclaim(m, false);
	dp_manage_streams_reclaim(m, false);
	return m->stop;
}

int dp_manage_run(struct dp_manage *m)
{
	int rc = 0;

	while (rc == 0)
		rc = dp_manage_turn(m, -1);
	return rc < 0 ? rc : 0;
}
