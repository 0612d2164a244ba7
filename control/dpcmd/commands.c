// SPDX-License-Identifier: BSD-3-Clause
#include "control/dpcmd/commands.h"

#include <string.h>

void ctl_command_queue_attach(struct ctl_command_queue *q, struct tp_ring *ring, uint32_t ack_slots)
{
	q->ring = ring;
	q->outstanding_max = ack_slots;
	q->acknowledged = q->sent;
}

void ctl_command_queue_detach(struct ctl_command_queue *q)
{
	q->ring = NULL;
}

uint32_t ctl_command_queue_room(const struct ctl_command_queue *q)
{
	uint64_t outstanding = q->sent - q->acknowledged;
	uint32_t slots;

	if (!q->ring || outstanding >= q->outstanding_max)
		return 0;
	slots = tp_ring_free_slots(q->ring);
	return slots < q->outstanding_max - outstanding
		       ? slots
		       : (uint32_t)(q->outstanding_max - outstanding);
}

static uint32_t sink_room(void *context)
{
	return ctl_command_queue_room(context);
}

static uint64_t sink_send(void *context, const struct tp_cmd *cmd)
{
	struct ctl_command_queue *q = context;
	struct tp_cmd *slot = q->ring ? tp_ring_reserve(q->ring) : NULL;

	// Callers ask room() first. A dataplane that takes a tail back can still break that
	// promise: the command is lost then, like all of them when it dies, and the missing
	// acknowledgement ends the attachment.
	q->sent++;
	if (slot) {
		*slot = *cmd;
		slot->sequence = q->sent;
		tp_ring_commit(q->ring);
	}
	return q->sent;
}

struct ctl_commands ctl_command_queue_sink(struct ctl_command_queue *q)
{
	return (struct ctl_commands){.send = sink_send, .room = sink_room, .context = q};
}

void ctl_command_queue_flush(struct ctl_command_queue *q)
{
	if (q->ring)
		tp_ring_flush(q->ring);
}

bool ctl_command_queue_ack(struct ctl_command_queue *q, const struct tp_ack *ack)
{
	if (q->acknowledged == q->sent || ack->sequence != q->acknowledged + 1)
		return false;
	q->acknowledged++;
	return true;
}
