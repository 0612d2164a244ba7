// SPDX-License-Identifier: BSD-3-Clause
// What the operations of the control socket do. Their table is operation.h.
#pragma once

#include "control/api/server.h"
#include "control/ctl.h"

// CTL_OPERATIONS of them, in the order of enum ctl_operation_id; their context is struct ctl.
const ctl_operation_fn *ctl_operations_run(void);

void ctl_op_help(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_status(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_stats(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_allocation_list(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_allocation_show(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_allocation_close(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_relay_list(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_relay_ports(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_relay_drain(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_relay_undrain(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_relay_remove(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_reload(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_upgrade_control(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_upgrade_streams(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_health(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_memory(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_provision(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_unprovision(void *context, struct ctl_call *call, const json_t *params);
void ctl_op_provision_status(void *context, struct ctl_call *call, const json_t *params);

// What control knows of heartbeats, part of `status` and `health`; the caller owns it.
json_t *ctl_op_beats(struct ctl *ctl);
// Of the stream processes: wanted, attached, clients, each of them.
json_t *ctl_op_streams(struct ctl *ctl);
// Totals of control's own work, part of `stats`; the caller owns it.
json_t *ctl_op_control_stats(struct ctl *ctl);
