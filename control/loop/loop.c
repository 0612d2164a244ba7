// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "control/dpcmd/client.h"
#include "control/loop/reload.h"
#include "control/loop/session.h"
#include "control/loop/streams.h"
#include "control/loop/takeover.h"
#include "control/loop/upgrade.h"
#include "control/loop/watch.h"

static void on_end(evutil_socket_t number, short events, void *arg)
{
	struct ctl *ctl = arg;

	tp_notice("%s: ending; allocations go on", strsignal(number));
	ctl->stop = true;
}

// Called once for each signal, however many came during the round before.
static void on_hangup(evutil_socket_t number, short events, void *arg)
{
	struct ctl *ctl = arg;

	ctl->reload_due = true;
}

static void reload(struct ctl *ctl)
{
	struct ctl_reload changes;

	if (!ctl->reload_due)
		return;
	ctl->reload_due = false;
	tp_notice("SIGHUP: reading %s again", ctl->conf->path);
	ctl_reload(ctl, false, &changes, NULL); // what is wrong is in the log
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	// Coming round is all that is needed.
}

struct loop_events {
	struct event *terminate, *interrupt, *hangup, *timer;
};

static void events_free(struct loop_events *e)
{
	struct event *all[] = {e->terminate, e->interrupt, e->hangup, e->timer};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			event_free(all[i]);
}

static int events_create(struct ctl *ctl, struct loop_events *e)
{
	*e = (struct loop_events){
		.terminate = evsignal_new(ctl->base, SIGTERM, on_end, ctl),
		.interrupt = evsignal_new(ctl->base, SIGINT, on_end, ctl),
		.hangup = evsignal_new(ctl->base, SIGHUP, on_hangup, ctl),
		.timer = evtimer_new(ctl->base, on_timer, ctl),
	};
	if (!e->terminate || !e->interrupt || !e->hangup || !e->timer ||
		event_add(e->terminate, NULL) < 0 || event_add(e->interrupt, NULL) < 0 ||
		event_add(e->hangup, NULL) < 0)
		return -ENOMEM;
	return 0;
}

// Wakes us when the session's deadline comes, a little later rather than earlier.
static void arm(struct event *timer, uint64_t deadline_ns)
{
	uint64_t now_ns = tp_now_ns();
	uint64_t us = deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000 + 1 : 0;
	struct timeval tv = {
		.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};

	evtimer_add(timer, &tv);
}

int ctl_loop_dial(struct ctl *ctl)
{
	struct ctl_dataplane_options options = {.base = ctl->base,
		.attached = ctl_session_attached,
		.detached = ctl_session_detached,
		.context = ctl->session};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dataplane.sock", ctl->conf->run_directory);
	options.path = path;
	return ctl_dataplane_create(&options, &ctl->dataplane);
}

int ctl_loop_run(struct ctl *ctl)
{
	struct loop_events events;
	int rc = events_create(ctl, &events);

	if (rc == 0)
		rc = ctl_watch_create(ctl, &ctl->watch);
	while (rc == 0 && !ctl->stop) {
		reload(ctl);
		ctl_upgrade_step(ctl);
		bool more = ctl_session_work(ctl->session);
		bool block = !more && ctl_session_sleep(ctl->session);

		if (block)
			arm(events.timer, ctl_session_deadline(ctl->session));
		// ONCE with NONBLOCK, too: that alone goes on as long as anything is readable, and
		// a wake-up that came late stays readable until the rings are looked at.
		if (event_base_loop(ctl->base, EVLOOP_ONCE | (block ? 0 : EVLOOP_NONBLOCK)) < 0)
			rc = -EIO;
		if (block)
			ctl_session_wake(ctl->session);
	}
	if (rc == 0 && ctl->failed)
		rc = -EIO;
	if (rc == 0 && !ctl_upgrade_done(ctl)) {
		tp_notify_service_manager("STOPPING=1");
		ctl_streams_stop(ctl->streams);
	}
	ctl_watch_destroy(ctl->watch);
	ctl->watch = NULL;
	events_free(&events);
	return rc;
}
