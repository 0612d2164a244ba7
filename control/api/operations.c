// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/operations.h"

static const ctl_operation_fn run[CTL_OPERATIONS] = {
	[CTL_OP_HELP] = ctl_op_help,
	[CTL_OP_STATUS] = ctl_op_status,
	[CTL_OP_STATS] = ctl_op_stats,
	[CTL_OP_ALLOCATION_LIST] = ctl_op_allocation_list,
	[CTL_OP_ALLOCATION_SHOW] = ctl_op_allocation_show,
	[CTL_OP_ALLOCATION_CLOSE] = ctl_op_allocation_close,
	[CTL_OP_RELAY_LIST] = ctl_op_relay_list,
	[CTL_OP_RELAY_PORTS] = ctl_op_relay_ports,
	[CTL_OP_RELAY_DRAIN] = ctl_op_relay_drain,
	[CTL_OP_RELAY_UNDRAIN] = ctl_op_relay_undrain,
	[CTL_OP_RELAY_REMOVE] = ctl_op_relay_remove,
	[CTL_OP_RELOAD] = ctl_op_reload,
	[CTL_OP_UPGRADE_CONTROL] = ctl_op_upgrade_control,
	[CTL_OP_UPGRADE_STREAMS] = ctl_op_upgrade_streams,
	[CTL_OP_HEALTH] = ctl_op_health,
	[CTL_OP_MEMORY] = ctl_op_memory,
	[CTL_OP_PROVISION] = ctl_op_provision,
	[CTL_OP_UNPROVISION] = ctl_op_unprovision,
	[CTL_OP_PROVISION_STATUS] = ctl_op_provision_status,
};

const ctl_operation_fn *ctl_operations_run(void)
{
	return run;
}

void ctl_op_help(void *context, struct ctl_call *call, const json_t *params)
{
	ctl_call_reply(call, ctl_operations_describe());
}
