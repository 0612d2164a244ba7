// SPDX-License-Identifier: BSD-3-Clause
// Generations of stream processes: `turnpikectl upgrade streams` starts as many as are wanted, from
// the file that is there now; once all of them are ready, those from before take no new clients and
// end with their last one. Their own stock of clients and the order to drain are theirs to keep: a
// control that is new in the middle finds more processes than it wants, and drains the oldest.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "control/api/operation.h"
#include "control/api/server.h"
#include "control/loop/streams_impl.h"

#define READY_NS (15 * TP_NS_PER_S) // to read certificates, and to listen

static bool serves(const struct ctl_streams_member *m)
{
	return m->attached && !m->draining;
}

// It tells the dataplane itself. False: its ring is full, which may be another time.
static bool drain(struct ctl_streams_member *m)
{
	if (!ctl_stream_tell(&m->stream, TP_STREAM_DRAIN, 0))
		return false;
	tp_notice("stream %08x (pid %d) takes no new clients; it has %u", m->stream.number, m->pid,
		m->stream.clients.count);
	m->draining = true;
	return true;
}

static uint32_t count(const struct ctl_streams *s, bool before, uint64_t *clients)
{
	const struct ctl_streams_member *m;
	uint32_t n = 0;

	TAILQ_FOREACH(m, &s->members, entry) {
		if (!serves(m) || m->before != before || !(before || m->stream.ready))
			continue;
		n++;
		if (clients)
			*clients += m->stream.clients.count;
	}
	return n;
}

static void forget(struct ctl_streams *s)
{
	struct ctl_streams_member *m;

	TAILQ_FOREACH(m, &s->members, entry)
		m->before = false;
	s->renewal = (struct ctl_streams_renewal){0};
}

// ---- the end of it

static void succeed(struct ctl_streams *s)
{
	struct ctl_streams_member *m;
	uint64_t clients = 0;
	uint32_t fresh = count(s, false, NULL), before = count(s, true, &clients);
	struct ctl_call *call = s->renewal.call;

	TAILQ_FOREACH(m, &s->members, entry) {
		if (serves(m) && m->before)
			drain(m); // or ctl_streams_renew_step, later
	}
	forget(s);
	tp_notice("upgrade: %u stream processes serve, %u are drained", fresh, before);
	ctl_call_reply(call, json_pack("{s:I, s:I, s:I}", "started", (json_int_t)fresh, "draining",
				     (json_int_t)before, "clients", (json_int_t)clients));
}

// Who came new and has clients keeps them, and takes no more. Those who have not come will not.
void ctl_streams_renew_fail(struct ctl_streams *s, const char *why)
{
	struct ctl_streams_member *m;
	struct ctl_call *call = s->renewal.call;
	char text[200];

	if (!call)
		return;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (serves(m) && !m->before)
			drain(m);
	}
	ctl_streams_end_starting(s);
	snprintf(text, sizeof(text),
		"the new stream processes do not serve: %s; those from before go on", why);
	tp_error("%s", text);
	forget(s);
	ctl_call_fail(call, CTL_RPC_REFUSED, text);
}

// ---- more than are wanted

// Of those that serve: the one whose process is the oldest.
static struct ctl_streams_member *oldest(struct ctl_streams *s, uint32_t *n)
{
	struct ctl_streams_member *m, *found = NULL;

	*n = 0;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (!serves(m) || !m->stream.ready)
			continue;
		++*n;
		if (!found || m->started < found->started)
			found = m;
	}
	return found;
}

void ctl_streams_renew_step(struct ctl_streams *s)
{
	struct ctl_streams_member *m;
	uint32_t n;

	if (s->renewal.call) {
		if (count(s, false, NULL) >= s->respawn.wanted)
			succeed(s);
		else if (s->now_ns >= s->renewal.until_ns)
			ctl_streams_renew_fail(s, "they did not get ready in time");
		return;
	}
	while (s->respawn.wanted > 0 && (m = oldest(s, &n)) && n > s->respawn.wanted)
		if (!drain(m))
			return;
}

uint64_t ctl_streams_renew_deadline(const struct ctl_streams *s)
{
	return s->renewal.call ? s->renewal.until_ns : UINT64_MAX;
}

// ---- the beginning of it

void ctl_streams_renew(struct ctl_streams *s, struct ctl_call *call)
{
	struct ctl_streams_member *m;
	uint32_t there = 0;

	if (!s || s->respawn.wanted == 0) {
		ctl_call_fail(call, CTL_RPC_CONFLICT,
			"control starts no stream processes: no listener has tcp or tls, or "
			"streams.processes is 0");
		return;
	}
	if (s->renewal.call || s->paused) {
		ctl_call_fail(call, CTL_RPC_CONFLICT, "an upgrade is under way");
		return;
	}
	TAILQ_FOREACH(m, &s->members, entry)
		there += m->attached;
	if (there + s->respawn.wanted > CTL_STREAMS_MOST) {
		ctl_call_fail(call, CTL_RPC_CONFLICT,
			"too many stream processes: wait until those that are drained end");
		return;
	}
	TAILQ_FOREACH(m, &s->members, entry)
		m->before = serves(m);
	s->renewal = (struct ctl_streams_renewal){.call = call, .until_ns = tp_now_ns() + READY_NS};
	ctl_respawn_init(&s->respawn, s->respawn.wanted, 0, tp_now_ns());
}
