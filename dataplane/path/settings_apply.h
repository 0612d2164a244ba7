// SPDX-License-Identifier: BSD-3-Clause
// Settings into what the steps read, by the worker itself.
#pragma once

#include "dataplane/path/state.h"

// RFC 8656 sections 13 and 14: the code point is copied, or the operator's; ECN is copied.
static inline void dp_settings_dscp(struct dp_worker *w, uint32_t dscp)
{
	bool copy = dscp == CONF_DSCP_COPY;

	w->tos_keep = copy ? 0xff : 0x03;
	w->tos_set = copy ? 0 : (uint8_t)(dscp << 2);
}

// Takes what was published since the last turn.
static inline void dp_settings_follow(struct dp_worker *w)
{
	struct dp_settings_values values;

	if (!dp_settings_take(&w->dp->settings, &w->settings_seen, &values))
		return;
	dp_budget_set(w->budget, &values);
	w->channel_max = values.channel_max;
	w->hop_limit = values.hop_limit;
	dp_settings_dscp(w, values.dscp);
}
