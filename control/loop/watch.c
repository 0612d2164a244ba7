// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/watch.h"

#include <errno.h>
#include <stdlib.h>

#include "common/abi/health.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "control/loop/session.h"

struct ctl_watch {
	struct ctl *ctl;
	struct event *timer;
	struct tp_beat_watch manager;
};

static uint64_t manager_beat(struct tp_region_beats *beats)
{
	return beats ? atomic_load_explicit(&beats->dataplane_ns, memory_order_relaxed) : 0;
}

static void look_at_manager(struct ctl_watch *w, struct tp_region_beats *beats, uint64_t now_ns)
{
	uint64_t silent_ns;

	switch (tp_beat_look(&w->manager, manager_beat(beats), now_ns, &silent_ns)) {
	case TP_BEAT_HANGS:
		tp_warning("the dataplane's management thread hangs: no beat for %llu ms",
			(unsigned long long)(silent_ns / TP_NS_PER_MS));
		return;
	case TP_BEAT_IS_BACK:
		tp_notice("the dataplane's management thread is back after %llu ms",
			(unsigned long long)(silent_ns / TP_NS_PER_MS));
		return;
	case TP_BEAT_SAME:
		return;
	}
}

static void on_quarter(evutil_socket_t fd, short events, void *arg)
{
	struct ctl_watch *w = arg;
	struct tp_region_beats *beats = ctl_session_beats(w->ctl->session);
	uint64_t now_ns = tp_now_ns();

	if (beats)
		atomic_store_explicit(&beats->control_ns, now_ns, memory_order_relaxed);
	look_at_manager(w, beats, now_ns);
	tp_notify_watchdog();
}

int ctl_watch_create(struct ctl *ctl, struct ctl_watch **out)
{
	const struct timeval quarter = {.tv_usec = TP_BEAT_EVERY_NS / 1000};
	struct ctl_watch *w = calloc(1, sizeof(*w));

	*out = NULL;
	if (!w)
		return -ENOMEM;
	w->ctl = ctl;
	w->timer = event_new(ctl->base, -1, EV_PERSIST, on_quarter, w);
	if (!w->timer || event_add(w->timer, &quarter) < 0) {
		ctl_watch_destroy(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

void ctl_watch_destroy(struct ctl_watch *w)
{
	if (!w)
		return;
	if (w->timer)
		event_free(w->timer);
	free(w);
}

void ctl_watch_look(const struct ctl_watch *w, uint64_t now_ns, struct ctl_watch_view *out)
{
	struct tp_region_beats *beats = w ? ctl_session_beats(w->ctl->session) : NULL;
	uint64_t beat = manager_beat(beats);

	*out = (struct ctl_watch_view){.hangs = w ? w->manager.hangs : 0};
	if (beat == 0)
		return;
	out->beats = true;
	out->manager_hung = w->manager.hung;
	out->manager_ms = tp_beat_age_ms(beat, now_ns);
	out->workers = ctl_session_workers(w->ctl->session);
	for (uint16_t i = 0; i < out->workers && i < TP_MAX_WORKERS; i++)
		out->worker_ms[i] = tp_beat_age_ms(
			atomic_load_explicit(&beats->worker_ns[i], memory_order_relaxed), now_ns);
}
