// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/streams.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "control/alloc/allocation.h"
#include "control/loop/session.h"
#include "control/loop/session_impl.h"
#include "control/loop/streams_impl.h"

#define ROUND_NOTES          64            // of each stream
#define ROUND_SWEEP          4096          // records looked at
#define SWEEP_RESERVE(slots) ((slots) / 8) // commands left to requests
#define WAIT_MS              1000          // for processes that an earlier control started

// ---- whose connection is open

struct ctl_streams_member *ctl_streams_find(const struct ctl_streams *s, uint32_t number)
{
	struct ctl_streams_member *m;

	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->stream.number == number)
			return m;
	}
	return NULL;
}

// One that is being announced, or whose process may still come back, is.
static bool is_open(void *context, struct tp_stream_client client)
{
	const struct ctl_streams *s = context;
	const struct ctl_streams_member *m = ctl_streams_find(s, client.stream);

	if (!m)
		return s->now_ns < s->absent_until_ns;
	if (!m->attached)
		return s->now_ns < m->until_ns;
	return !m->stream.ready ||
	       ctl_stream_clients_find(&m->stream.clients, client.connection) != NULL;
}

static bool sweep(struct ctl_streams *s)
{
	struct ctl_session *session = s->ctl->session;
	struct ctl_connections connections = {.is_open = is_open, .context = s};
	uint32_t reserve = SWEEP_RESERVE(session->attachment.command.size);

	if (s->sweep == CTL_SWEEP_IDLE)
		return false;
	if (ctl_connections_sweep(session->store, &s->sweep, ROUND_SWEEP, reserve, &connections,
		    ctl_session_time()))
		return ctl_command_queue_room(&session->commands) > reserve;
	s->sweep = CTL_SWEEP_IDLE;
	return false;
}

// ---- what streams say

static bool has_allocation(
	const struct ctl_streams *s, const struct ctl_request *request, struct ctl_time now)
{
	struct tp_addr key = ctl_client_key(request->transport, &request->client, request->stream);

	return ctl_allocation_find(s->ctl->session->store, request->transport, &key,
		       &request->listener, now) != NULL;
}

static bool in_budget(struct ctl_streams *s, const struct ctl_request *request, struct ctl_time now)
{
	const struct conf *conf = s->in.conf;
	const struct ctl_stream_budget_rates rates = {
		.per_address = conf->unauthenticated.per_address,
		.per_network = conf->unauthenticated.per_network,
		.all = conf->unauthenticated.punts};

	return ctl_stream_budget_take(s->budget, &rates, &request->client.ip, now.now_ns);
}

// Nobody repeats a request over a connection that stays, so its client would wait in vain.
static void refuse(struct ctl_streams *s, const struct ctl_request *request)
{
	struct ctl_streams_member *m = ctl_streams_find(s, request->stream.stream);

	s->in.counters.over_budget++;
	if (m && m->attached)
		ctl_stream_tell(&m->stream, TP_STREAM_CLOSE, request->stream.connection);
}

static void take_request(void *context, const struct ctl_request *request)
{
	struct ctl_streams *s = context;
	struct ctl_time now = ctl_session_time();

	if (has_allocation(s, request, now) || in_budget(s, request, now))
		ctl_turn_request(s->ctl->session->turn, request, now);
	else
		refuse(s, request);
}

// A DTLS client that shook hands anew may have come to another process than before, as when the one
// it had drains: of what it had there nothing will be heard again (RFC 6347 section 4.2.8).
// Sessions that a process announces at its beginning are not newer than others.
static void end_elsewhere(struct ctl_streams *s, const struct ctl_request *opened)
{
	const struct ctl_streams_member *here = ctl_streams_find(s, opened->stream.stream);
	struct ctl_streams_member *m;

	if (opened->transport != CTL_TRANSPORT_DTLS || !here->stream.ready)
		return;
	TAILQ_FOREACH(m, &s->members, entry) {
		const struct ctl_stream_client *c =
			m == here || !m->attached ? NULL
						  : ctl_stream_clients_find_dtls(&m->stream.clients,
							    &opened->client, &opened->listener);

		if (c)
			ctl_stream_tell(&m->stream, TP_STREAM_CLOSE, c->connection);
	}
}

static void take_opened(void *context, const struct ctl_request *opened)
{
	struct ctl_streams *s = context;

	end_elsewhere(s, opened);
	ctl_turn_opened(s->ctl->session->turn, opened, ctl_session_time());
}

static void take_closed(void *context, const struct ctl_request *gone)
{
	struct ctl_streams *s = context;
	struct ctl_connections connections = {.is_open = is_open, .context = s};

	ctl_turn_closed(s->ctl->session->turn, gone);
	if (ctl_connection_closed(
		    s->ctl->session->store, gone->stream, &connections, ctl_session_time()))
		s->sweep = 0;
}

static void take_counters(
	void *context, struct tp_stream_client client, const struct tp_stream_counters *counters)
{
	ctl_streams_answered(context, client, counters);
}

static void take_ready(void *context, struct ctl_stream *stream)
{
	struct ctl_streams *s = context;

	tp_info("stream %08x has announced %u clients", stream->number, stream->clients.count);
	s->sweep = 0;
}

// ---- rounds

// Ends waiting: for greetings, for the return of lost ones, for those never seen.
static void expire(struct ctl_streams *s)
{
	struct ctl_streams_member *m = TAILQ_FIRST(&s->members), *next;

	for (; m; m = next) {
		next = TAILQ_NEXT(m, entry);
		if (m->attached || s->now_ns < m->until_ns)
			continue;
		if (ctl_streams_lost(m))
			s->sweep = 0;
		ctl_streams_member_free(m);
	}
	if (s->absent_until_ns != 0 && s->now_ns >= s->absent_until_ns) {
		s->absent_until_ns = 0;
		s->sweep = 0;
	}
}

bool ctl_streams_work(struct ctl_streams *s, bool accepts)
{
	struct ctl_streams_member *m;
	bool more = false;

	if (!s || s->paused)
		return false;
	s->now_ns = tp_now_ns();
	expire(s);
	ctl_streams_ask_expire(s, s->now_ns);
	ctl_streams_start_missing(s);
	ctl_streams_renew_step(s);
	if (!accepts)
		return false;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->attached)
			more = ctl_stream_drain(&s->in, &m->stream, ROUND_NOTES) || more;
	}
	return sweep(s) || more;
}

void ctl_streams_flush(struct ctl_streams *s)
{
	struct ctl_streams_member *m;

	if (!s)
		return;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->attached)
			tp_ring_flush(&m->stream.response);
	}
}

bool ctl_streams_sleep(struct ctl_streams *s)
{
	struct ctl_streams_member *m;
	bool quiet = true;

	if (!s)
		return true;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->attached && quiet)
			quiet = tp_ring_sleep(&m->stream.request);
	}
	return quiet;
}

void ctl_streams_wake(struct ctl_streams *s)
{
	struct ctl_streams_member *m;

	if (!s)
		return;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->attached)
			tp_ring_wake(&m->stream.request);
	}
}

uint64_t ctl_streams_deadline(const struct ctl_streams *s)
{
	const struct ctl_streams_member *m;
	uint64_t deadline;

	if (!s || s->paused)
		return UINT64_MAX;
	deadline = ctl_streams_start_deadline(s);
	if (ctl_streams_renew_deadline(s) < deadline)
		deadline = ctl_streams_renew_deadline(s);
	if (ctl_streams_ask_deadline(s) < deadline)
		deadline = ctl_streams_ask_deadline(s);
	if (s->absent_until_ns != 0 && s->absent_until_ns < deadline)
		deadline = s->absent_until_ns;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (!m->attached && m->until_ns < deadline)
			deadline = m->until_ns;
	}
	return deadline;
}

void ctl_streams_send(struct ctl_streams *s, const struct ctl_reply_to *reply_to,
	const uint8_t *bytes, size_t length)
{
	struct ctl_streams_member *m = s ? ctl_streams_find(s, reply_to->stream.stream) : NULL;

	if (m && m->attached)
		ctl_stream_send(&s->in, &m->stream, reply_to->stream.connection, bytes, length);
	else if (s)
		s->in.counters.lost++;
}

void ctl_streams_reload(struct ctl_streams *s, const struct conf *conf)
{
	struct ctl_streams_member *m;

	if (!s)
		return;
	s->in.conf = conf;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->attached && !ctl_stream_tell(&m->stream, TP_STREAM_RELOAD, 0))
			tp_warning("stream %08x does not read what it is told", m->stream.number);
	}
	ctl_streams_flush(s);
}

// ---- life

static void begin(struct ctl_streams *s)
{
	uint64_t now_ns = tp_now_ns();

	s->absent_until_ns = now_ns + CTL_STREAM_GRACE_S * TP_NS_PER_S;
	s->sweep = CTL_SWEEP_IDLE;
	ctl_respawn_init(&s->respawn, ctl_streams_wanted(s->ctl->conf), WAIT_MS, now_ns);
}

int ctl_streams_create(struct ctl *ctl, int listener, struct ctl_streams **out)
{
	struct ctl_streams *s = calloc(1, sizeof(*s));
	char path[PATH_MAX];
	int rc;

	if (!s)
		return -ENOMEM;
	s->ctl = ctl;
	s->listener = listener > 0 ? listener : -1;
	TAILQ_INIT(&s->members);
	TAILQ_INIT(&s->asks);
	s->in = (struct ctl_stream_in){.conf = ctl->conf,
		.request = take_request,
		.opened = take_opened,
		.closed = take_closed,
		.ready = take_ready,
		.counted = take_counters,
		.context = s};
	ctl_streams_far_callbacks(&s->in);
	snprintf(path, sizeof(path), "%s/streams.sock", ctl->conf->run_directory);
	s->path = strdup(path);
	rc = s->path ? ctl_stream_budget_create(&s->budget) : -ENOMEM;
	if (rc == 0)
		rc = ctl_streams_listen(s);
	if (rc == 0)
		rc = ctl_streams_watch_children(s);
	if (rc) {
		ctl_streams_destroy(s);
		return rc;
	}
	begin(s);
	*out = s;
	return 0;
}

static void let_go(struct ctl_streams *s)
{
	ctl_streams_ask_expire(s, UINT64_MAX);
	while (!TAILQ_EMPTY(&s->members))
		ctl_streams_member_free(TAILQ_FIRST(&s->members));
}

void ctl_streams_destroy(struct ctl_streams *s)
{
	if (!s)
		return;
	ctl_streams_renew_fail(s, "control ends");
	let_go(s);
	if (s->acceptable)
		event_free(s->acceptable);
	if (s->child_ended)
		event_free(s->child_ended);
	if (s->listener >= 0) {
		close(s->listener);
		if (!s->disowned)
			unlink(s->path);
	}
	ctl_stream_budget_destroy(s->budget);
	free(s->path);
	free(s);
}

int ctl_streams_listener(const struct ctl_streams *s)
{
	return s->listener;
}

void ctl_streams_pause(struct ctl_streams *s)
{
	if (!s)
		return;
	ctl_streams_renew_fail(s, "control is upgraded");
	ctl_streams_flush(s);
	s->paused = true;
	event_del(s->acceptable);
	let_go(s);
}

void ctl_streams_resume(struct ctl_streams *s)
{
	if (!s)
		return;
	s->paused = false;
	event_add(s->acceptable, NULL);
	begin(s);
}

void ctl_streams_disown(struct ctl_streams *s)
{
	if (s)
		s->disowned = true;
}

// ---- for the operator

void ctl_streams_look(const struct ctl_streams *s, struct ctl_streams_view *out)
{
	const struct ctl_streams_member *m;

	*out = (struct ctl_streams_view){0};
	if (!s)
		return;
	out->wanted = s->respawn.wanted;
	out->starts = s->starts;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (!m->attached)
			continue;
		out->attached += !m->draining;
		out->ready += m->stream.ready;
		out->clients += m->stream.clients.count;
	}
}

bool ctl_streams_entry(const struct ctl_streams *s, uint32_t i, struct ctl_stream_view *out)
{
	const struct ctl_streams_member *m;

	if (!s)
		return false;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (!m->attached || i-- > 0)
			continue;
		*out = (struct ctl_stream_view){.number = m->stream.number,
			.pid = (uint32_t)m->pid,
			.clients = m->stream.clients.count,
			.ready = m->stream.ready,
			.draining = m->draining};
		return true;
	}
	return false;
}

const struct ctl_stream_client *ctl_streams_client(
	const struct ctl_streams *s, struct tp_stream_client client)
{
	const struct ctl_streams_member *m = s ? ctl_streams_find(s, client.stream) : NULL;

	return m && m->attached ? ctl_stream_clients_find(&m->stream.clients, client.connection)
				: NULL;
}

const struct ctl_stream_counters *ctl_streams_counters(const struct ctl_streams *s)
{
	static const struct ctl_stream_counters none;

	return s ? &s->in.counters : &none;
}
