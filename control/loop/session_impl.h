// SPDX-License-Identifier: BSD-3-Clause
// The inside of a session, for session*.c only.
#pragma once

#include <sys/queue.h>

#include "common/base/clock.h"
#include "control/loop/provision.h"
#include "control/loop/session.h"

struct counters_waiter;

struct ctl_session {
	struct ctl *ctl;
	struct ctl_user_store *users;
	struct ctl_user_store *old_users; // wait for their last answers, then go
	struct ctl_acl *acl;
	struct ctl_store *store; // over `region`
	struct ctl_turn *turn;
	struct tp_shm region; // outlives the attachment that brought it
	struct ctl_adoption adoption;

	bool attached;
	struct ctl_attachment attachment; // its region is the one above
	struct event *wakeups[TP_ATTACHED_MAX_RINGS];
	size_t n_wakeups;
	struct ctl_command_queue commands;
	struct ctl_punt_in punt_in;
	struct ctl_sync sync;
	bool in_step;
	bool held;         // no requests are taken
	bool given_away;   // the region is written by another process
	bool settings_due; // the dataplane was not told yet
	uint64_t settings_sequence;
	bool settings_in_force;
	struct ctl_provision provision;
	uint64_t next_tick_ns, next_acl_ns;
	TAILQ_HEAD(, counters_waiter) waiters; // by sequence
};

static inline struct ctl_time ctl_session_time(void)
{
	return (struct ctl_time){.now_ns = tp_now_ns(), .wall_ns = tp_wall_ns()};
}

// Stops watching the eventfds of the rings.
void ctl_session_unwatch(struct ctl_session *s);

// ---- what the configuration may change while we run (session_reload.c)

// Tells the dataplane, when that is due and there is room.
void ctl_session_settings_step(struct ctl_session *s);
void ctl_session_settings_ack(struct ctl_session *s, const struct tp_ack *ack);
// Destroys user stores of earlier configurations that nobody waits for any more.
void ctl_session_old_users_step(struct ctl_session *s);

// ---- who waits for an allocation's counters (session_counters.c)

void ctl_session_counters_ack(struct ctl_session *s, const struct tp_ack *ack);
// Ends those whose time is up; all of them with UINT64_MAX.
void ctl_session_counters_expire(struct ctl_session *s, uint64_t now_ns);
// When the next one's time is up, UINT64_MAX never.
uint64_t ctl_session_counters_deadline(const struct ctl_session *s);
