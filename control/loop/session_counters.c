// SPDX-License-Identifier: BSD-3-Clause
#include <stdlib.h>

#include "control/alloc/allocation.h"
#include "control/loop/session_impl.h"

#define TIMEOUT_NS TP_NS_PER_S

struct counters_waiter {
	TAILQ_ENTRY(counters_waiter) entry;
	uint64_t sequence;
	uint64_t give_up_ns;
	ctl_session_counters_fn done;
	void *context;
};

static void waiter_end(struct ctl_session *s, struct counters_waiter *w, bool fresh)
{
	TAILQ_REMOVE(&s->waiters, w, entry);
	w->done(w->context, fresh);
	free(w);
}

void ctl_session_counters_ack(struct ctl_session *s, const struct tp_ack *ack)
{
	struct counters_waiter *w = TAILQ_FIRST(&s->waiters);

	if (w && w->sequence == ack->sequence)
		waiter_end(s, w, ack->result == 0);
}

void ctl_session_counters_expire(struct ctl_session *s, uint64_t now_ns)
{
	struct counters_waiter *w;

	// In the order of their deadlines, which is that of their sequences.
	while ((w = TAILQ_FIRST(&s->waiters)) && w->give_up_ns <= now_ns)
		waiter_end(s, w, false);
}

uint64_t ctl_session_counters_deadline(const struct ctl_session *s)
{
	const struct counters_waiter *w = TAILQ_FIRST(&s->waiters);

	return w ? w->give_up_ns : UINT64_MAX;
}

void ctl_session_counters(
	struct ctl_session *s, struct tp_alloc_ref ref, ctl_session_counters_fn done, void *context)
{
	const struct tp_alloc_record *r = s->attached ? ctl_allocation_get(s->store, ref) : NULL;
	struct counters_waiter *w;

	// Stream processes tell by themselves.
	if (r && ctl_over_tcp(r)) {
		done(context, true);
		return;
	}
	w = s->attached ? calloc(1, sizeof(*w)) : NULL;

	if (w)
		w->sequence = ctl_allocation_poll_counters(s->store, ref);
	if (!w || w->sequence == 0) {
		free(w);
		done(context, false);
		return;
	}
	w->give_up_ns = tp_now_ns() + TIMEOUT_NS;
	w->done = done;
	w->context = context;
	TAILQ_INSERT_TAIL(&s->waiters, w, entry);
}
