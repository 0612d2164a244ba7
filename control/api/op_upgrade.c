// SPDX-License-Identifier: BSD-3-Clause
// `upgrade.control`.
#include "control/api/operations.h"
#include "control/loop/upgrade.h"

void ctl_op_upgrade_control(void *context, struct ctl_call *call, const json_t *params)
{
	ctl_upgrade_begin(context, call);
}
