// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/provision.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "control/alloc/acl.h"
#include "control/loop/session_impl.h"

#define ROUND_ALLOCATIONS 256  // made or removed
#define ROUND_RECORDS     4096 // looked at when removing
// Left to requests, which need half of it (session.c). They wait behind the rest, some
// milliseconds; less would leave the dataplane without work whenever this process has to wait for a
// core.
#define ROOM_KEPT(slots) ((slots) / 8)

static bool under_way(const struct ctl_provision *p)
{
	return p->state == CTL_PROVISION_MAKING || p->state == CTL_PROVISION_REMOVING;
}

static uint64_t synthetic_now(const struct ctl_session *s)
{
	struct ctl_store_status status = {0};
	if (s->store)
		ctl_store_status(s->store, &status);
	return status.synthetic;
}

__attribute__((format(printf, 3, 4))) static int refuse(
	int rc, char why[CTL_SYNTHETIC_WHY_BYTES], const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(why, CTL_SYNTHETIC_WHY_BYTES, format, ap);
	va_end(ap);
	return rc;
}

static int may_begin(const struct ctl_session *s, char why[CTL_SYNTHETIC_WHY_BYTES])
{
	if (!s->attached || !s->in_step)
		return refuse(-ENOTCONN, why, "the dataplane is away");
	if (under_way(&s->provision))
		return refuse(-EBUSY, why, "a job is under way");
	return 0;
}

static void begin(struct ctl_provision *p, enum ctl_provision_state state)
{
	p->state = state;
	p->failing = false;
	p->made = p->removed = p->walk = 0;
	p->begin_ns = tp_now_ns();
	p->end_ns = 0;
	p->first_sequence = p->last_sequence = 0;
	p->why[0] = '\0';
}

int ctl_provision_begin(struct ctl_session *s, const struct ctl_synthetic_wish *wish,
	uint32_t lifetime_s, char why[CTL_SYNTHETIC_WHY_BYTES])
{
	struct ctl_numbering numbering;
	uint64_t there = synthetic_now(s);
	int rc;

	if (!s->ctl->conf->provision.allow)
		return refuse(-EPERM, why, "provision.allow is not set");
	rc = may_begin(s, why);
	if (rc)
		return rc;
	if (there > 0)
		return refuse(-EEXIST, why,
			"there are %llu synthetic allocations: unprovision first",
			(unsigned long long)there);
	rc = ctl_synthetic_plan(s->store, wish, &numbering, why);
	if (rc)
		return rc;
	for (uint32_t k = 0; k < UINT32_C(1) << numbering.peer_bits; k++) {
		struct tp_addr peer = ctl_numbering_peer(&numbering, k);
		enum ctl_acl_verdict verdict = ctl_acl_check(s->acl, &peer);
		char text[TP_ADDR_STRLEN];
		if (verdict != CTL_ACL_ALLOWED)
			return refuse(-EACCES, why, "peer %s: %s", tp_addr_format(&peer, text),
				ctl_acl_verdict_text(verdict));
	}
	begin(&s->provision, CTL_PROVISION_MAKING);
	s->provision.numbering = numbering;
	s->provision.lifetime_s = lifetime_s;
	tp_notice("making %u synthetic allocations", numbering.allocations);
	return 0;
}

int ctl_provision_remove(struct ctl_session *s, char why[CTL_SYNTHETIC_WHY_BYTES])
{
	int rc = may_begin(s, why);

	if (rc)
		return rc;
	begin(&s->provision, CTL_PROVISION_REMOVING);
	return 0;
}

const struct ctl_provision *ctl_provision_get(const struct ctl_session *s)
{
	return &s->provision;
}

// ---- one job

static void finish(struct ctl_provision *p)
{
	p->end_ns = tp_now_ns();
	if (p->state == CTL_PROVISION_MAKING)
		p->state = CTL_PROVISION_MADE;
	else
		p->state = p->failing ? CTL_PROVISION_FAILED : CTL_PROVISION_IDLE;
	if (p->state != CTL_PROVISION_MADE)
		p->numbering.allocations = 0;
	tp_notice("synthetic allocations: %u made, %u removed in %.3f s%s%s", p->made, p->removed,
		(double)(p->end_ns - p->begin_ns) / 1e9, p->failing ? ": " : "", p->why);
}

// Takes back what was made.
__attribute__((format(printf, 2, 3))) static void fail(
	struct ctl_provision *p, const char *format, ...)
{
	va_list ap;

	if (p->state != CTL_PROVISION_MAKING)
		return;
	va_start(ap, format);
	vsnprintf(p->why, sizeof(p->why), format, ap);
	va_end(ap);
	p->failing = true;
	p->state = CTL_PROVISION_REMOVING;
	p->walk = 0;
}

static void explain(struct ctl_provision *p, int rc)
{
	struct tp_addr relay = ctl_numbering_relay(&p->numbering, p->made);
	struct tp_addr client = ctl_numbering_client(&p->numbering, p->made);
	char text[TP_ADDR_STRLEN];

	if (rc == -EADDRINUSE)
		fail(p,
			"relayed address %s is taken, or its port rests: name or drain an entry "
			"that clients do not use",
			tp_addr_format(&relay, text));
	else if (rc == -EEXIST)
		fail(p, "%s is a client with an allocation", tp_addr_format(&client, text));
	else if (rc == -ENOSPC)
		fail(p, "no record is left after %u: limits.allocations", p->made);
	else
		fail(p, "allocation %u: %s", p->made, strerror(-rc));
}

// False when there was no room for the commands.
static bool make_one(struct ctl_session *s)
{
	struct ctl_provision *p = &s->provision;
	uint64_t last = 0;
	int rc = ctl_synthetic_make(
		s->store, &p->numbering, p->made, p->lifetime_s, ctl_session_time(), &last);

	if (rc == -ENOBUFS && last == 0)
		return false;
	if (last != 0)
		p->last_sequence = last;
	if (rc)
		explain(p, rc);
	else
		p->made++;
	return true;
}

static bool has_room(const struct ctl_session *s, uint32_t commands)
{
	return ctl_command_queue_room(&s->commands) >=
	       ROOM_KEPT(s->attachment.command.size) + commands;
}

static bool make_slice(struct ctl_session *s)
{
	struct ctl_provision *p = &s->provision;
	uint32_t commands = ctl_synthetic_commands(&p->numbering);

	for (uint32_t n = 0; n < ROUND_ALLOCATIONS && p->made < p->numbering.allocations; n++)
		if (p->state != CTL_PROVISION_MAKING || !has_room(s, commands) || !make_one(s))
			break;
	return p->state != CTL_PROVISION_MAKING ||
	       (p->made < p->numbering.allocations && has_room(s, commands));
}

static bool remove_slice(struct ctl_session *s)
{
	struct ctl_provision *p = &s->provision;
	struct ctl_time now = ctl_session_time();
	uint32_t capacity = ctl_store_capacity(s->store);

	for (uint32_t n = 0; n < ROUND_RECORDS && p->walk < capacity && has_room(s, 1); n++) {
		uint64_t last = 0;
		struct tp_alloc_ref ref = ctl_allocation_ref(s->store, p->walk++);
		if (ctl_synthetic_end(s->store, ref, now, &last) == 0) {
			p->last_sequence = last;
			if (++p->removed % ROUND_ALLOCATIONS == 0)
				break;
		}
	}
	return p->walk < capacity && has_room(s, 1);
}

static bool sent_all(const struct ctl_session *s)
{
	const struct ctl_provision *p = &s->provision;

	return p->state == CTL_PROVISION_MAKING ? p->made == p->numbering.allocations
						: p->walk >= ctl_store_capacity(s->store);
}

bool ctl_provision_step(struct ctl_session *s)
{
	struct ctl_provision *p = &s->provision;
	bool more;

	if (!under_way(p) || s->held || s->given_away || !s->in_step)
		return false;
	if (p->first_sequence == 0)
		p->first_sequence = s->commands.sent + 1;
	more = p->state == CTL_PROVISION_MAKING ? make_slice(s) : remove_slice(s);
	if (sent_all(s) && s->commands.acknowledged >= p->last_sequence)
		finish(p);
	return more;
}

void ctl_provision_ack(struct ctl_session *s, const struct tp_ack *ack)
{
	struct ctl_provision *p = &s->provision;
	const struct tp_alloc_record *record;
	uint64_t last;

	if (!under_way(p) || ack->result == 0 || ack->sequence < p->first_sequence)
		return;
	record = ctl_allocation_get(s->store, ack->alloc);
	if (!record || !ctl_synthetic(record))
		return;
	fail(p, "the dataplane refused a command of %u: %s%s", p->made, strerror(-ack->result),
		ack->result == -ENOSPC ? " (limits.flows)" : "");
	// Its port need not rest; without room the store ends it in its own way.
	ctl_synthetic_end(s->store, ack->alloc, ctl_session_time(), &last);
}
