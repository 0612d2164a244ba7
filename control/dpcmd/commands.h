// SPDX-License-Identifier: BSD-3-Clause
// The way of commands to the dataplane's management thread: sequence numbers, room, and the order
// of what comes back. Loop thread only.
#pragma once

#include "common/abi/ring.h"
#include "control/alloc/environment.h"

struct ctl_command_queue {
	struct tp_ring *ring;     // NULL while detached
	uint32_t outstanding_max; // so that acknowledgements always find room in their ring
	uint64_t sent;            // sequence of the last command; never goes back
	uint64_t acknowledged;    // of the last acknowledgement
};

// While attached, `ring` is the attachment's; acknowledgements of commands sent before are not
// expected any more.
void ctl_command_queue_attach(
	struct ctl_command_queue *q, struct tp_ring *ring, uint32_t ack_slots);
void ctl_command_queue_detach(struct ctl_command_queue *q);

// The queue as the store sees it; valid as long as q.
struct ctl_commands ctl_command_queue_sink(struct ctl_command_queue *q);

uint32_t ctl_command_queue_room(const struct ctl_command_queue *q);

// Publishes what was sent since the last call, with at most one wake-up.
void ctl_command_queue_flush(struct ctl_command_queue *q);

// Whether this acknowledgement is the one that comes next; false: the dataplane broke the order.
bool ctl_command_queue_ack(struct ctl_command_queue *q, const struct tp_ack *ack);
