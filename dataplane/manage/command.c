// SPDX-License-Identifier: BSD-3-Clause
// Commands out of the ring, acknowledgements into the other. A command is taken only when there is
// room for its acknowledgement, so none is lost, and what control does not read holds itself up.
#include <string.h>

#include "dataplane/cmd/apply.h"
#include "dataplane/manage/manage_impl.h"

static void execute(struct dp_manage *m, const struct tp_cmd *cmd, struct tp_ack *ack)
{
	memset(ack, 0, sizeof(*ack));
	dp_apply_command(m->dp->apply, cmd, ack);
	m->commands++;
	m->commands_refused += ack->result < 0;
}

bool dp_manage_commands(struct dp_manage *m)
{
	struct manage_attachment *a = m->attached;
	uint32_t done = 0;
	struct tp_cmd cmd;
	const void *slot;

	if (!a)
		return false;
	m->acks_full = false;
	while (done < MANAGE_COMMANDS_PER_TURN && (slot = tp_ring_front(&a->command))) {
		struct tp_ack *ack = tp_ring_reserve(&a->ack);
		if (!ack) {
			m->acks_full = true;
			break;
		}
		memcpy(&cmd, slot, sizeof(cmd));
		tp_ring_pop(&a->command);
		execute(m, &cmd, ack);
		tp_ring_commit(&a->ack);
		done++;
	}
	tp_ring_flush(&a->ack);
	return done == MANAGE_COMMANDS_PER_TURN;
}

void dp_manage_commands_drain(struct dp_manage *m)
{
	struct manage_attachment *a = m->attached;
	// Bounded by what is there now: the old process may still be writing.
	uint32_t left = tp_ring_filled(&a->command);
	const void *slot;
	struct tp_cmd cmd;
	struct tp_ack ack;

	while (left-- > 0 && (slot = tp_ring_front(&a->command))) {
		memcpy(&cmd, slot, sizeof(cmd));
		tp_ring_pop(&a->command);
		execute(m, &cmd, &ack);
	}
}
