// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "control/alloc/expiry.h"
#include "control/dpcmd/client.h"
#include "control/loop/match.h"
#include "control/turn/policy.h"
#include "control/turn/turn.h"

#define ROUND_ACKS     4096 // of one round, so that signals and operators get their turn
#define ROUND_PUNTS    64   // of each worker
#define ROUND_EXPIRIES 256
// Requests wait in their rings unless this part of the command ring is free: more than the longest
// one needs of a ring of TP_COMMAND_RING_SLOTS.
#define ROOM_FOR_REQUEST(slots)    ((slots) / 16)
#define ROOM_KEPT_BY_REPLAY(slots) ((slots) / 8)
#define TICK_NS                    TP_NS_PER_S
#define COUNTERS_TIMEOUT_NS        TP_NS_PER_S

struct counters_waiter {
	TAILQ_ENTRY(counters_waiter) entry;
	uint64_t sequence;
	uint64_t give_up_ns;
	ctl_session_counters_fn done;
	void *context;
};

struct ctl_session {
	struct ctl *ctl;
	struct ctl_user_store *users;
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
	uint64_t next_tick_ns;
	TAILQ_HEAD(, counters_waiter) waiters; // by sequence
};

static struct ctl_time time_now(void)
{
	return (struct ctl_time){.now_ns = tp_now_ns(), .wall_ns = tp_wall_ns()};
}

// ---- to and from TURN

static void send_response(void *context, const struct ctl_reply_to *reply_to,
	const struct tp_addr *source, const struct tp_addr *destination, const uint8_t *bytes,
	size_t length)
{
	struct ctl_session *s = context;

	if (s->attached)
		ctl_inject_send(
			&s->punt_in, &s->attachment, reply_to, source, destination, bytes, length);
}

static void take_request(void *context, const struct ctl_request *request)
{
	struct ctl_session *s = context;

	ctl_turn_request(s->turn, request, time_now());
}

// ---- attachment

static bool same_memory(const struct tp_shm *a, const struct tp_shm *b)
{
	struct stat sa, sb;

	return fstat(a->fd, &sa) == 0 && fstat(b->fd, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static void log_adoption(const struct ctl_adoption *a, const char *verb)
{
	tp_notice("%s %u allocations, %u permissions, %u channels", verb, a->allocations,
		a->permissions, a->channels);
	for (int i = 0; i < CTL_ADOPT_REASON_COUNT; i++) {
		const char *text = ctl_adopt_reason_text((enum ctl_adopt_reason)i);
		if (a->dropped_allocations[i])
			tp_warning("%u allocations dropped: %s", a->dropped_allocations[i], text);
		if (a->dropped_peers[i])
			tp_warning("%u permissions or channels dropped: %s", a->dropped_peers[i],
				text);
	}
	if (a->dropped_names)
		tp_warning("%u user names dropped", a->dropped_names);
}

static int create_turn(struct ctl_session *s)
{
	struct ctl_turn_options options = {.conf = s->ctl->conf,
		.store = s->store,
		.users = s->users,
		.acl = s->acl,
		.send = send_response,
		.send_context = s,
		.random = ctl_random_system()};

	return ctl_turn_create(&options, &s->turn);
}

// The first attachment of this process: the records of an earlier control, if any, become ours.
static int adopt_region(struct ctl_session *s, struct tp_shm *region)
{
	struct ctl_store_options options = {.region = region->base,
		.region_bytes = region->bytes,
		.commands = ctl_command_queue_sink(&s->commands),
		.random = ctl_random_system()};
	struct ctl_store_policy policy;
	int rc;

	ctl_policy_store(s->ctl->conf, &policy);
	options.policy = &policy;
	rc = ctl_store_create(&options, &s->store);
	if (rc)
		return rc;
	rc = ctl_store_adopt(s->store, time_now(), &s->adoption);
	if (rc == 0)
		rc = create_turn(s);
	if (rc) {
		ctl_store_destroy(s->store);
		s->store = NULL;
	}
	return rc;
}

// Puts the store onto the region of a new attachment. The memory that stays in use moves to
// s->region.
static int take_region(struct ctl_session *s, struct tp_shm *region)
{
	bool moved = s->store != NULL;
	int rc = 0;

	if (s->store && same_memory(&s->region, region)) {
		tp_shm_close(region);
		return 0;
	}
	if (s->store)
		rc = ctl_store_move(
			s->store, region->base, region->bytes, time_now(), &s->adoption);
	else
		rc = adopt_region(s, region);
	if (rc) {
		tp_error("the session region cannot be used: %s", strerror(-rc));
		return rc;
	}
	log_adoption(&s->adoption, moved ? "gave the new dataplane" : "took over");
	tp_shm_close(&s->region);
	s->region = *region;
	*region = (struct tp_shm){.fd = -1};
	return 0;
}

static void on_wakeup(evutil_socket_t fd, short events, void *arg)
{
	// The loop looks at all rings whenever it comes round.
}

static int watch(struct ctl_session *s, int fd)
{
	struct event *e;

	for (size_t i = 0; i < s->n_wakeups; i++)
		if (event_get_fd(s->wakeups[i]) == fd)
			return 0;
	e = event_new(s->ctl->base, fd, EV_READ | EV_PERSIST, on_wakeup, NULL);
	if (!e || event_add(e, NULL) < 0) {
		if (e)
			event_free(e);
		return -ENOMEM;
	}
	s->wakeups[s->n_wakeups++] = e;
	return 0;
}

static void unwatch(struct ctl_session *s)
{
	while (s->n_wakeups > 0)
		event_free(s->wakeups[--s->n_wakeups]);
}

static int watch_rings(struct ctl_session *s, const struct ctl_attachment *a)
{
	int rc = watch(s, a->ack.event_fd);

	for (uint16_t w = 0; rc == 0 && w < a->said.workers; w++)
		rc = watch(s, a->punt[w].event_fd);
	if (rc)
		unwatch(s);
	return rc;
}

int ctl_session_attached(void *session, struct ctl_attachment *attachment)
{
	struct ctl_session *s = session;
	int rc;

	ctl_match_warn(s->ctl->conf, &attachment->said);
	rc = watch_rings(s, attachment);
	if (rc)
		return rc;
	rc = take_region(s, &attachment->region);
	if (rc) {
		unwatch(s);
		return rc;
	}
	s->attachment = *attachment;
	s->attached = true;
	s->in_step = false;
	ctl_command_queue_attach(&s->commands, &s->attachment.command, s->attachment.ack.size);
	ctl_sync_start(&s->sync);
	tp_notice("attached to dataplane %u, instance %016llx, %u workers", attachment->said.pid,
		(unsigned long long)attachment->said.instance, attachment->said.workers);
	return 0;
}

static void waiter_end(struct ctl_session *s, struct counters_waiter *w, bool fresh)
{
	TAILQ_REMOVE(&s->waiters, w, entry);
	w->done(w->context, fresh);
	free(w);
}

void ctl_session_detached(void *session)
{
	struct ctl_session *s = session;
	struct counters_waiter *w;

	s->attached = false;
	s->in_step = false;
	unwatch(s);
	ctl_command_queue_detach(&s->commands);
	ctl_turn_detach(s->turn, time_now());
	while ((w = TAILQ_FIRST(&s->waiters)))
		waiter_end(s, w, false);
	ctl_attachment_close(&s->attachment);
}

// ---- rounds

static void synchronised(struct ctl_session *s, const struct tp_ack *ack)
{
	s->in_step = true;
	tp_info("the dataplane is in step: %llu left-over objects deleted",
		(unsigned long long)ack->deleted);
	tp_notify_service_manager("READY=1\nSTATUS=attached");
}

// False when the attachment ended.
static bool take_ack(struct ctl_session *s, const struct tp_ack *ack)
{
	struct counters_waiter *w;

	if (!ctl_command_queue_ack(&s->commands, ack)) {
		ctl_dataplane_drop(s->ctl->dataplane, "commands acknowledged out of order");
		return false;
	}
	ctl_turn_ack(s->turn, ack, time_now());
	if (s->sync.end_sequence != 0 && ack->sequence == s->sync.end_sequence)
		synchronised(s, ack);
	w = TAILQ_FIRST(&s->waiters);
	if (w && w->sequence == ack->sequence)
		waiter_end(s, w, ack->result == 0);
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
	return s->sync.end_sequence != 0 &&
	       ctl_command_queue_room(&s->commands) >= ROOM_FOR_REQUEST(s->attachment.command.size);
}

static bool expire(struct ctl_session *s)
{
	return ctl_store_expire(s->store, time_now(), ROUND_EXPIRIES) == ROUND_EXPIRIES &&
	       ctl_command_queue_room(&s->commands) > 0;
}

static void tick(struct ctl_session *s)
{
	struct ctl_time now = time_now();
	struct counters_waiter *w, *next;

	for (w = TAILQ_FIRST(&s->waiters); w; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (w->give_up_ns <= now.now_ns)
			waiter_end(s, w, false);
	}
	if (now.now_ns < s->next_tick_ns)
		return;
	s->next_tick_ns = now.now_ns + TICK_NS;
	if (s->turn)
		ctl_turn_tick(s->turn, now);
}

bool ctl_session_work(struct ctl_session *s)
{
	bool more = false;

	tick(s);
	if (!s->attached)
		return false;
	more = take_acks(s);
	if (!s->attached)
		return true;
	if (s->sync.end_sequence == 0)
		ctl_sync_step(s->store, &s->sync, time_now(),
			ROOM_KEPT_BY_REPLAY(s->attachment.command.size));
	else
		more = expire(s) || more;
	if (accepts_requests(s))
		more = ctl_punt_drain(&s->punt_in, &s->attachment, ROUND_PUNTS) || more;
	ctl_command_queue_flush(&s->commands);
	ctl_inject_flush(&s->attachment);
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
	if (!quiet)
		ctl_session_wake(s);
	return quiet;
}

void ctl_session_wake(struct ctl_session *s)
{
	if (!s->attached)
		return;
	tp_ring_wake(&s->attachment.ack);
	for (uint16_t w = 0; w < s->attachment.said.workers; w++)
		tp_ring_wake(&s->attachment.punt[w]);
}

uint64_t ctl_session_deadline(const struct ctl_session *s)
{
	const struct counters_waiter *w = TAILQ_FIRST(&s->waiters);
	uint64_t deadline = s->next_tick_ns;

	if (w && w->give_up_ns < deadline)
		deadline = w->give_up_ns;
	// Without room for commands nothing can end: acknowledgements wake us then.
	if (s->attached && s->sync.end_sequence != 0 && ctl_command_queue_room(&s->commands) > 0) {
		uint64_t expiry = ctl_store_next_deadline(s->store);
		if (expiry < deadline)
			deadline = expiry;
	}
	return deadline;
}

// ---- for the operator

void ctl_session_counters(
	struct ctl_session *s, struct tp_alloc_ref ref, ctl_session_counters_fn done, void *context)
{
	struct counters_waiter *w = s->attached ? calloc(1, sizeof(*w)) : NULL;

	if (w)
		w->sequence = ctl_allocation_poll_counters(s->store, ref);
	if (!w || w->sequence == 0) {
		free(w);
		done(context, false);
		return;
	}
	w->give_up_ns = tp_now_ns() + COUNTERS_TIMEOUT_NS;
	w->done = done;
	w->context = context;
	TAILQ_INSERT_TAIL(&s->waiters, w, entry);
}

int ctl_session_close(struct ctl_session *s, struct tp_alloc_ref ref)
{
	if (!s->attached)
		return -ENOTCONN;
	return ctl_allocation_delete(s->store, ref, TP_END_OPERATOR, time_now(), NULL);
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
		rc = ctl_match_acl(ctl->conf, &s->acl);
	if (rc) {
		ctl_session_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void ctl_session_destroy(struct ctl_session *s)
{
	struct counters_waiter *w;

	if (!s)
		return;
	unwatch(s);
	ctl_command_queue_detach(&s->commands);
	while ((w = TAILQ_FIRST(&s->waiters)))
		waiter_end(s, w, false);
	ctl_turn_destroy(s->turn);
	ctl_store_destroy(s->store);
	if (s->attached)
		ctl_attachment_close(&s->attachment);
	tp_shm_close(&s->region);
	ctl_acl_destroy(s->acl);
	if (s->users)
		s->users->destroy(s->users);
	free(s);
}
