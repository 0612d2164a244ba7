// SPDX-License-Identifier: BSD-3-Clause
// Clients that moved (RFC 8016): what workers saw, done, and told to control. Without a control the
// next one learns it by the acknowledgement of its ALLOC_SET.
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/abi/ring.h"
#include "dataplane/cmd/apply.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/path/worker.h"

int dp_manage_moves_open(struct dp_manage *m)
{
	m->moves.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (m->moves.event_fd < 0)
		return -errno;
	int rc = dp_manage_watch(m, m->moves.event_fd, MANAGE_EVENT_MOVES, 0);
	if (rc == 0)
		m->dp->moves_wake = &m->moves;
	return rc;
}

void dp_manage_moves_close(struct dp_manage *m)
{
	if (m->dp->moves_wake == &m->moves)
		m->dp->moves_wake = NULL;
	if (m->moves.event_fd >= 0)
		close(m->moves.event_fd);
}

// One move; false when control has no room to be told of it.
static bool complete(struct dp_manage *m, struct dp_worker *w, bool *found)
{
	struct tp_ack event, *slot = NULL;
	uint32_t flow;

	if (m->attached) {
		slot = tp_ring_reserve(&m->attached->ack);
		if (!slot)
			return false;
	}
	*found = dp_worker_take_move(w, &flow);
	if (!*found || !dp_apply_moved(m->dp->apply, flow, &event) || !slot)
		return true;
	*slot = event;
	tp_ring_commit(&m->attached->ack);
	return true;
}

void dp_manage_moves(struct dp_manage *m)
{
	uint32_t left = MANAGE_MOVES_PER_TURN;
	bool room = true;

	// Before looking: who names a flow from here on wakes us again.
	if (atomic_exchange_explicit(&m->moves.wanted, 0, memory_order_seq_cst) == 0 &&
		!m->moves_left)
		return;
	for (uint16_t i = 0; i < m->dp->n_workers && left > 0 && room; i++) {
		bool found = true;
		while (found && left > 0 && room) {
			room = complete(m, m->dp->workers[i], &found);
			left -= room && found;
		}
	}
	m->moves_left = left == 0 || !room;
	if (m->attached)
		tp_ring_flush(&m->attached->ack);
}
