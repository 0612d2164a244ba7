// SPDX-License-Identifier: BSD-3-Clause
// `upgrade.control`, `upgrade.streams`.
#include "control/api/operations.h"
#include "control/loop/streams.h"
#include "control/loop/upgrade.h"

void ctl_op_upgrade_control(void *context, struct ctl_call *call, const json_t *params)
{
	ctl_upgrade_begin(context, call);
}

void ctl_op_upgrade_streams(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;

	ctl_streams_renew(ctl->streams, call);
}
