// SPDX-License-Identifier: BSD-3-Clause
// Everything the control process owns. One instance, created by main, passed first everywhere; one
// thread.
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "config/conf.h"
#include "control/dpcmd/attach.h"
#include "control/dpcmd/commands.h"
#include "control/io/punt_in.h"

struct ctl_store;      // alloc/store.h
struct ctl_turn;       // turn/turn.h
struct ctl_acl;        // alloc/acl.h
struct ctl_user_store; // auth/users.h
struct ctl_dataplane;  // dpcmd/client.h
struct ctl_api;        // api/server.h
struct ctl_metrics;    // api/metrics.h
struct ctl_session;    // loop/session.h
struct ctl_upgrade;    // loop/upgrade.h
struct ctl_takeover;   // loop/takeover.h
struct ctl_watch;      // loop/watch.h
struct ctl_streams;    // loop/streams.h

struct ctl {
	struct conf *conf;     // what control runs by; a reload puts another one in its place
	uint64_t conf_wall_ns; // when it was read
	struct event_base *base;
	uint64_t started_wall_ns;
	bool stop, reload_due; // w: signal events
	bool failed;           // stop is no orderly end
	char *program;         // as it was called
	int lock;              // of the run directory

	struct ctl_dataplane *dataplane;
	struct ctl_session *session; // attachment, store, TURN
	struct ctl_watch *watch;     // while the loop runs
	struct ctl_streams *streams; // NULL: this is no process of its own
	struct ctl_api *api;
	struct ctl_metrics *metrics;   // NULL when off
	struct ctl_upgrade *upgrade;   // NULL: none is under way
	struct ctl_takeover *takeover; // NULL: this is no process of its own
};
