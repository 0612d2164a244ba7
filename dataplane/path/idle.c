// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <poll.h>
#include <sys/prctl.h>
#include <time.h>

#include "dataplane/path/count.h"
#include "dataplane/path/handoff.h"
#include "dataplane/path/idle.h"
#include "dataplane/path/streams.h"

#define IDLE_TIMEOUT_MS 250
#define PAUSE_NS        50000
#define SLACK_NS        1000
#define CALM_FRAMES     256 // a millisecond: a dozen in a pause, so no ring comes near its end

static bool announce_to_streams(struct dp_worker *w)
{
	for (uint64_t at = dp_streams_attached(w); at != 0; at &= at - 1) {
		struct dp_stream_link *link = dp_streams_lowest(w, at);
		if (link != NULL && !tp_ring_sleep(&link->up))
			return false;
	}
	return true;
}

static void wake_from_streams(struct dp_worker *w)
{
	for (uint64_t at = dp_streams_attached(w); at != 0; at &= at - 1) {
		struct dp_stream_link *link = dp_streams_lowest(w, at);
		if (link != NULL)
			tp_ring_wake(&link->up);
	}
}

// The sleeper announces itself, fences, and looks once more; whoever brings work stores it, fences,
// and looks for the announcement: one of the two sees the other.
static bool announce(struct dp_worker *w)
{
	atomic_store_explicit(&w->asleep, 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	if (dp_handoff_waiting(w) || atomic_load_explicit(&w->dp->stop, memory_order_acquire))
		return false;
	// A link published from here on comes with a kick.
	struct dp_control_link *link = atomic_load_explicit(&w->published, memory_order_acquire);
	return announce_to_streams(w) && (link == NULL || tp_ring_sleep(&link->inject));
}

static void block(struct dp_worker *w)
{
	struct pollfd fd[1 + TP_MAX_PORTS * CONF_MAX_CORES];
	nfds_t n = 0;

	fd[n++] = (struct pollfd){.fd = w->event_fd, .events = POLLIN};
	for (uint16_t i = 0; i < w->n_rx; i++) {
		int queue_fd = w->dp->ports[w->rx[i].port].queue_fd[w->rx[i].queue];
		// A device that cannot be waited for: look at it a thousand times a second.
		if (queue_fd < 0)
			continue;
		fd[n++] = (struct pollfd){.fd = queue_fd, .events = POLLIN};
	}
	int timeout_ms = n == (nfds_t)w->n_rx + 1 ? IDLE_TIMEOUT_MS : 1;
	poll(fd, n, timeout_ms);
}

void dp_idle_block(struct dp_worker *w)
{
	if (announce(w)) {
		dp_count(w, TP_COUNTER_sleeps, 1);
		rte_rcu_qsbr_thread_offline(w->dp->qsbr, w->index);
		block(w);
		rte_rcu_qsbr_thread_online(w->dp->qsbr, w->index);
	}
	atomic_store_explicit(&w->asleep, 0, memory_order_release);
	// What was published meanwhile is awake from the start; the ring we announced on may be
	// gone.
	struct dp_control_link *link = atomic_load_explicit(&w->published, memory_order_acquire);
	if (link != NULL)
		tp_ring_wake(&link->inject);
	wake_from_streams(w);
	// A kick that came while we were awake is taken back.
	tp_event_drain(w->event_fd);
}

static uint64_t frames_of(const struct dp_worker *w)
{
	return atomic_load_explicit(&w->counter[TP_COUNTER_rx], memory_order_relaxed) +
	       atomic_load_explicit(&w->counter[TP_COUNTER_stream_up], memory_order_relaxed);
}

bool dp_idle_calm(struct dp_worker *w, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - w->pace.since_ns;

	if (passed_ns >= TP_NS_PER_MS) {
		uint64_t frames = frames_of(w);
		w->pace.calm = (frames - w->pace.frames) * TP_NS_PER_MS < CALM_FRAMES * passed_ns;
		w->pace.since_ns = now_ns;
		w->pace.frames = frames;
	}
	return w->pace.calm;
}

void dp_idle_pause(struct dp_worker *w)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	dp_count(w, TP_COUNTER_pauses, 1);
	rte_rcu_qsbr_thread_offline(w->dp->qsbr, w->index);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	rte_rcu_qsbr_thread_online(w->dp->qsbr, w->index);
}

void dp_idle_prepare(void)
{
	prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0);
}
