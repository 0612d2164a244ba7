// SPDX-License-Identifier: BSD-3-Clause
// SETTINGS: checked here, handed to the workers by path/settings.h.
#include <errno.h>

#include "common/base/budget.h"
#include "common/base/log.h"
#include "common/wire/chandata.h"
#include "dataplane/cmd/apply_impl.h"

int dp_settings_set(struct dp_apply *a, const struct tp_cmd *cmd)
{
	const struct tp_cmd_settings *wish = &cmd->settings;

	if (wish->dscp > CONF_DSCP_COPY || wish->channel_max < CHANDATA_CHANNEL_MAX ||
		wish->channel_max > CHANDATA_CHANNEL_MAX_RFC5766 ||
		wish->log_level < TP_LOG_ERROR || wish->log_level > TP_LOG_DEBUG)
		return -EINVAL;
	const struct dp_settings_values values = {
		.address_cost_ns = tp_budget_cost_ns(wish->per_address),
		.network_cost_ns = tp_budget_cost_ns(wish->per_network),
		.punt_cost_ns = tp_budget_cost_ns(wish->punts),
		.unproven_cost_ns = tp_budget_cost_ns(wish->unproven),
		.channel_max = wish->channel_max,
		.hop_limit = wish->hop_limit,
		.dscp = wish->dscp,
	};
	dp_settings_publish(&a->dp->settings, &values);
	tp_log_limit((enum tp_log_level)wish->log_level);
	return 0;
}
