// SPDX-License-Identifier: BSD-3-Clause
// Executes control's commands: the only writer of table/. Management thread only.
#pragma once

#include "common/abi/cmd.h"
#include "common/abi/memory.h"
#include "dataplane/dp.h"

// Needs dp->flows, dp->locals, dp->net (NULL in bench mode and unit tests: next hop 0 everywhere).
int dp_apply_create(struct dp *dp, struct dp_apply **out);
void dp_apply_destroy(struct dp_apply *a);

// Executes one command copied out of the ring (its content is untrusted) and fills the ack.
void dp_apply_command(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack);

// A worker says that a datagram came by this flow of a client that moves (path/moves.h). True when
// the move was completed by it: *event is then for control.
bool dp_apply_moved(struct dp_apply *a, uint32_t flow, struct tp_ack *event);

// Re-resolves next hops of at most `max` flows after a route change; true when more are left.
bool dp_apply_resolve_slice(struct dp_apply *a, uint32_t max);

// Fills allocations, permissions, channels, flows, flow_capacity.
void dp_apply_status(const struct dp_apply *a, struct tp_status_reply *out);
// Tells what is kept of allocations beside their flows.
void dp_apply_memory(const struct dp_apply *a, struct tp_memory *out);
