// SPDX-License-Identifier: BSD-3-Clause
// Control's lives: started, asked for a turn at a time, killed in the middle of one, started again
// until it is in step with the dataplane.
#include <errno.h>
#include <string.h>

#include "common/base/hash.h"
#include "tests/faults/world.h"

void lives_disarm(struct world *w)
{
	struct fault_plan *p = &w->s->plan;
	p->kill_at = p->fail_at = p->fail_call_at = 0;
	p->kill_op = FAULT_NOTHING;
	p->fail_random = false;
}

void lives_calm(struct world *w)
{
	lives_disarm(w);
	w->next_op = FAULT_NOTHING;
	w->ack_faults = 0;
	w->refuse = 0;
}

// One turn of control. False when it was killed.
bool lives_ask(struct world *w, enum fault_ask what)
{
	bool attaching = what == ASK_ATTACH;
	struct fault_plan *p = &w->s->plan;
	w->s->answers = 0;
	if (fault_control_ask(&w->control, w->s, attaching ? &w->memory : NULL, what)) {
		fault_ends_with_us(w->control.pid);
		return true;
	}
	fault_trace("  killed before %s.%s", fault_op_name(p->killed_op),
		fault_step_name(p->killed_step));
	fault_ends_with_us(0);
	w->s->answers = 0; // never left
	w->kills++;
	lives_disarm(w);
	if (w->next_op) { // the next one as well
		p->kill_op = w->next_op;
		p->kill_step = w->next_step;
		w->next_op = FAULT_NOTHING;
	} else if (pick(w, 4) == 0)
		p->kill_at = p->passages + 1 + pick(w, 300);
	return false;
}

void lives_start(struct world *w)
{
	dataplane_drain(w);
	dataplane_forget_old(w);
	w->s->fresh_region = true;
	fault_control_start(&w->control, w->s, &w->conf);
	fault_ends_with_us(w->control.pid);
}

uint64_t lives_digest(const struct world *w)
{
	static const struct tp_siphash_key key;
	return tp_siphash(&key, world_records(w), w->memory.region.bytes - TP_REGION_HEADER_BYTES);
}

static void tell_adoption(const struct ctl_adoption *a)
{
	for (int i = 0; i < CTL_ADOPT_REASON_COUNT; i++) {
		const char *why = ctl_adopt_reason_text((enum ctl_adopt_reason)i);
		if (a->dropped_allocations[i])
			fault_trace("  %u allocations dropped: %s", a->dropped_allocations[i], why);
		if (a->dropped_peers[i])
			fault_trace("  %u peers dropped: %s", a->dropped_peers[i], why);
	}
}

// Whether it attached. An attachment that fails has a reason, and leaves a live control as it was.
bool lives_attach(struct world *w)
{
	uint64_t before = lives_digest(w);
	struct fault_plan *p = &w->s->plan;
	uint64_t failed = p->failed;
	if (w->control.pid)
		dataplane_drain(w);
	dataplane_rings(w);
	if (!lives_ask(w, ASK_ATTACH))
		return false;
	if (w->s->rc == 0) {
		if (w->s->fresh_region)
			tell_adoption(&w->s->adoption);
		w->s->fresh_region = false;
		dataplane_forget_old(w);
		return true;
	}
	fault_trace("  attaching failed: %s", strerror(-w->s->rc));
	FAULT_CHECK(p->failed > failed ? w->s->rc == -ENOMEM : p->fail_random && w->s->rc == -EIO,
		"attaching failed without a reason: %s", strerror(-w->s->rc));
	FAULT_CHECK(w->s->fresh_region || lives_digest(w) == before,
		"a failed attachment changed records");
	lives_disarm(w);
	return false;
}

// Until a control is attached and in step with the dataplane.
void lives_recover(struct world *w)
{
	for (uint32_t tries = 0;; tries++) {
		FAULT_CHECK(tries < 200, "control does not come into step");
		if (tries == 20)
			lives_calm(w);
		if (!w->control.pid) {
			layout_there_and_back(w);
			lives_start(w);
		}
		if (!w->s->attached && !lives_attach(w))
			continue;
		for (int i = 0; i < 8 && w->s->attached && !w->s->in_step; i++) {
			if (!lives_ask(w, ASK_ROUND))
				break;
			client_listen(w);
			dataplane_work(w, UINT32_MAX);
		}
		if (w->s->attached && w->s->in_step)
			return;
		// The last acknowledgement may be lost, and no other comes to tell.
		if (w->s->attached && w->breach)
			lives_ask(w, ASK_DETACH);
	}
}

// A turn in whatever state; recovers where control was killed or gave the attachment up.
bool lives_turn(struct world *w, enum fault_ask what)
{
	if (lives_ask(w, what)) {
		client_listen(w);
		if (w->s->attached)
			return true;
	}
	lives_recover(w);
	return false;
}

void lives_round_trip(struct world *w, uint32_t most)
{
	dataplane_work(w, most);
	lives_turn(w, ASK_ROUND);
}

// Nothing is under way any more, and all that was asked is answered.
void lives_settle(struct world *w)
{
	lives_calm(w);
	if (w->breach && w->control.pid && w->s->attached)
		lives_ask(w, ASK_DETACH);
	lives_recover(w);
	for (int i = 0; i < CLIENTS; i++) {
		struct client *c = &w->client[i];
		for (int n = 0; c->asking != FAULT_NOTHING; n++) {
			FAULT_CHECK(n < 20, "%s of %u is never answered", fault_op_name(c->asking),
				c->at.port);
			w->free_before[0] = w->s->status.ports_free[0];
			w->free_before[1] = w->s->status.ports_free[1];
			client_send(w, c);
			lives_turn(w, ASK_REQUEST);
			lives_round_trip(w, UINT32_MAX);
			lives_round_trip(w, UINT32_MAX);
		}
	}
	for (int i = 0; i < 4 || !dataplane_idle(w) || !w->s->in_step; i++) {
		FAULT_CHECK(i < 50, "there is no end of commands");
		lives_round_trip(w, UINT32_MAX);
	}
	FAULT_CHECK(w->s->pending == 0, "%llu requests wait for nothing",
		(unsigned long long)w->s->pending);
	check_in_step(w);
}
