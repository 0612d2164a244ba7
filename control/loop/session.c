// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/session_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/abi/health.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "control/alloc/expiry.h"
#include "control/dpcmd/client.h"
#include "control/loop/match.h"
#include "control/loop/streams.h"
#include "control/loop/takeover.h"
#include "control/turn/policy.h"
#include "control/turn/turn.h"

#define ROUND_ACKS     4096 // of one round, so that signals and operators get their turn
#define ROUND_PUNTS    64   // of each worker
#define ROUND_EXPIRIES 256
#define ROUND_RENEWALS 1024 // records looked at
// Requests wait in their rings unless this part of the command ring is free: more than the longest
// one needs of a ring of TP_COMMAND_RING_SLOTS.
#define ROOM_FOR_REQUEST(slots)    ((slots) / 16)
#define ROOM_KEPT_BY_REPLAY(slots) ((slots) / 8)
#define TICK_NS                    TP_NS_PER_S
#define ACL_NS                     (10 * TP_NS_PER_S) // how late a new address of ours may be seen

static void take_request(void *context, const struct ctl_request *request)
{
	struct ctl_session *s = context;

	ctl_turn_request(s->turn, request, ctl_session_time());
}

// ---- rounds

static void synchronised(struct ctl_session *s, const struct tp_ack *ack)
{
	s->in_step = true;
	tp_notice("ready: the dataplane is in step, %llu left-over objects deleted",
		(unsigned long long)ack->deleted);
	ctl_takeover_ready(s->ctl->takeover);
	tp_notify_service_manager("READY=1\nSTATUS=attached");
}

// False when the attachment ended.
static bool take_ack(struct ctl_session *s, const struct tp_ack *ack)
{
	// What the dataplane says by itself; of a kind that we do not know: nothing.
	if (ack->sequence == 0) {
		if (ack->type == TP_EVENT_MOVED)
			ctl_store_ack(s->store, ack, true, ctl_session_time());
		return true;
	}
	if (!ctl_command_queue_ack(&s->commands, ack)) {
		ctl_dataplane_drop(s->ctl->dataplane, "commands acknowledged out of order");
		return false;
	}
	ctl_provision_ack(s, ack);
	ctl_turn_ack(s->turn, ack, ctl_session_time());
	if (s->sync.end_sequence != 0 && ack->sequence == s->sync.end_sequence)
		synchronised(s, ack);
	ctl_session_counters_ack(s, ack);
	ctl_session_settings_ack(s, ack);
	return true;
}

static bool take_acks(struct ctl_session *s)
{
	const void *shared;
	uint32_t n = 0;

	while (n++ < ROUND_ACKS && (shared = tp_ring_front(&s->attachment.ack))) {
		struct tp_ack ack;
		memcpy(&ack, shared, sizeof(ack));
		tp_ring_pop(&s->attachment.ack);
		if (!take_ack(s, &ack))
			return false;
	}
	return n > ROUND_ACKS;
}

// Requests wait until the replay is on its way: a permission must not overtake its allocation.
static bool accepts_requests(const struct ctl_session *s)
{
	return !s->held && s->sync.end_sequence != 0 &&
	       ctl_command_queue_room(&s->commands) >= ROOM_FOR_REQUEST(s->attachment.command.size);
}

static bool expire(struct ctl_session *s)
{
	return ctl_store_expire(s->store, ctl_session_time(), ROUND_EXPIRIES) == ROUND_EXPIRIES &&
	       ctl_command_queue_room(&s->commands) > 0;
}

// After a reload. Requests keep their part of the command queue.
static bool renew_rates(struct ctl_session *s)
{
	return ctl_store_renew_step(s->store, ctl_session_time(), ROUND_RENEWALS,
		       ROOM_KEPT_BY_REPLAY(s->attachment.command.size)) &&
	       ctl_command_queue_room(&s->commands) >
		       ROOM_KEPT_BY_REPLAY(s->attachment.command.size);
}

int ctl_session_renew_acl(struct ctl_session *s)
{
	struct ctl_acl *fresh;
	int rc = ctl_match_acl(s->ctl->conf, s->store, &fresh);

	if (rc)
		return rc;
	if (s->turn)
		ctl_turn_set_acl(s->turn, fresh);
	ctl_acl_destroy(s->acl);
	s->acl = fresh;
	return 0;
}

// Addresses come and go while we run. Without memory or netlink the last ones stay in force.
static void renew_acl(struct ctl_session *s, uint64_t now_ns)
{
	int rc;

	if (now_ns < s->next_acl_ns)
		return;
	s->next_acl_ns = now_ns + ACL_NS;
	rc = ctl_session_renew_acl(s);
	if (rc)
		tp_warning("the addresses of this machine stay as they were read last: %s",
			strerror(-rc));
}

static void tick(struct ctl_session *s)
{
	struct ctl_time now = ctl_session_time();

	ctl_session_counters_expire(s, now.now_ns);
	if (now.now_ns < s->next_tick_ns)
		return;
	s->next_tick_ns = now.now_ns + TICK_NS;
	if (s->given_away)
		return;
	renew_acl(s, now.now_ns);
	ctl_session_old_users_step(s);
	if (s->turn)
		ctl_turn_tick(s->turn, now);
}

bool ctl_session_work(struct ctl_session *s)
{
	bool more = false;

	tick(s);
	if (!s->attached) {
		more = ctl_streams_work(s->ctl->streams, false);
		ctl_streams_flush(s->ctl->streams);
		return more;
	}
	more = take_acks(s);
	if (!s->attached)
		return true;
	ctl_session_settings_step(s);
	// A roll-back that found the command queue full left something behind: compare anew.
	if (s->sync.end_sequence != 0 && ctl_store_resync_due(s->store))
		ctl_sync_start(&s->sync);
	if (s->sync.end_sequence == 0)
		ctl_sync_step(s->store, &s->sync, ctl_session_time(),
			ROOM_KEPT_BY_REPLAY(s->attachment.command.size));
	else
		more = expire(s) || renew_rates(s) || more;
	if (accepts_requests(s))
		more = ctl_punt_drain(&s->punt_in, &s->attachment, ROUND_PUNTS) || more;
	more = ctl_streams_work(s->ctl->streams, accepts_requests(s)) || more;
	more = ctl_provision_step(s) || more;
	ctl_command_queue_flush(&s->commands);
	ctl_inject_flush(&s->attachment);
	ctl_streams_flush(s->ctl->streams);
	return more;
}

bool ctl_session_sleep(struct ctl_session *s)
{
	struct ctl_attachment *a = &s->attachment;
	bool quiet;

	if (!s->attached)
		return true;
	quiet = tp_ring_sleep(&a->ack);
	// Requests that wait for room come on when acknowledgements do.
	for (uint16_t w = 0; quiet && accepts_requests(s) && w < a->said.workers; w++)
		quiet = tp_ring_sleep(&a->punt[w]);
	if (quiet && accepts_requests(s))
		quiet = ctl_streams_sleep(s->ctl->streams);
	if (!quiet)
		ctl_session_wake(s);
	return quiet;
}

void ctl_session_wake(struct ctl_session *s)
{
	ctl_streams_wake(s->ctl->streams);
	if (!s->attached)
		return;
	tp_ring_wake(&s->attachment.ack);
	for (uint16_t w = 0; w < s->attachment.said.workers; w++)
		tp_ring_wake(&s->attachment.punt[w]);
}

uint64_t ctl_session_deadline(const struct ctl_session *s)
{
	uint64_t deadline = ctl_session_counters_deadline(s);

	uint64_t streams = ctl_streams_deadline(s->ctl->streams);

	if (streams < deadline)
		deadline = streams;
	if (s->next_tick_ns < deadline)
		deadline = s->next_tick_ns;
	// Without room for commands nothing can end: acknowledgements wake us then.
	if (s->attached && s->sync.end_sequence != 0 && ctl_command_queue_room(&s->commands) > 0) {
		uint64_t expiry = ctl_store_next_deadline(s->store);
		if (expiry < deadline)
			deadline = expiry;
	}
	return deadline;
}

void ctl_session_hold(struct ctl_session *s, bool held)
{
	s->held = held;
}

void ctl_session_give_away(struct ctl_session *s)
{
	s->given_away = true;
}

bool ctl_session_quiet(const struct ctl_session *s)
{
	return !s->attached || !s->turn || ctl_turn_counters(s->turn)->pending == 0;
}

// ---- for the operator

int ctl_session_close(struct ctl_session *s, struct tp_alloc_ref ref)
{
	if (!s->attached)
		return -ENOTCONN;
	return ctl_allocation_delete(s->store, ref, TP_END_OPERATOR, ctl_session_time(), NULL);
}

int ctl_session_relay_use(struct ctl_session *s, uint32_t entry, enum ctl_relay_use use)
{
	struct ctl_relay_view before;
	int rc;

	if (!s->store)
		return -ENOTCONN;
	if (!ctl_relay_entry(s->store, entry, &before))
		return -ENOENT;
	rc = ctl_relay_set_use(s->store, entry, use);
	if (rc)
		return rc;
	// Peers at a removed address are refused from now on, or with the next tick.
	if ((before.use == CTL_RELAY_REMOVED || use == CTL_RELAY_REMOVED) &&
		ctl_session_renew_acl(s))
		s->next_acl_ns = 0;
	return 0;
}

struct ctl_store *ctl_session_store(struct ctl_session *s)
{
	return s->store;
}

const struct ctl_turn *ctl_session_turn(const struct ctl_session *s)
{
	return s->turn;
}

const struct ctl_io_counters *ctl_session_io(const struct ctl_session *s)
{
	return &s->punt_in.counters;
}

bool ctl_session_is_attached(const struct ctl_session *s)
{
	return s->attached;
}

bool ctl_session_in_step(const struct ctl_session *s)
{
	return s->in_step;
}

struct tp_region_beats *ctl_session_beats(struct ctl_session *s)
{
	return s->attached ? tp_region_beats(s->region.base) : NULL;
}

uint16_t ctl_session_workers(const struct ctl_session *s)
{
	return s->attached ? s->attachment.said.workers : 0;
}

const struct ctl_adoption *ctl_session_adoption(const struct ctl_session *s)
{
	return &s->adoption;
}

// ---- life

int ctl_session_create(struct ctl *ctl, struct ctl_session **out)
{
	struct ctl_session *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->ctl = ctl;
	s->region.fd = -1;
	s->attachment.region.fd = -1;
	s->attachment.rings.fd = -1;
	TAILQ_INIT(&s->waiters);
	s->punt_in = (struct ctl_punt_in){.conf = ctl->conf, .sink = take_request, .context = s};
	rc = ctl_policy_users(ctl->conf, &s->users);
	if (rc == 0)
		rc = ctl_match_acl(ctl->conf, NULL, &s->acl);
	if (rc) {
		ctl_session_destroy(s);
		return rc;
	}
	s->next_acl_ns = tp_now_ns() + ACL_NS;
	*out = s;
	return 0;
}

void ctl_session_destroy(struct ctl_session *s)
{
	if (!s)
		return;
	ctl_session_unwatch(s);
	ctl_command_queue_detach(&s->commands);
	ctl_session_counters_expire(s, UINT64_MAX);
	ctl_turn_destroy(s->turn);
	ctl_store_destroy(s->store);
	if (s->attached)
		ctl_attachment_close(&s->attachment);
	tp_shm_close(&s->region);
	ctl_acl_destroy(s->acl);
	for (struct ctl_user_store *u = s->old_users, *older; u; u = older) {
		older = u->older;
		u->destroy(u);
	}
	if (s->users)
		s->users->destroy(s->users);
	free(s);
}
