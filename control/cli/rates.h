// SPDX-License-Identifier: BSD-3-Clause
// Rates out of two samples of the dataplane's totals.
#pragma once

#include <jansson.h>

// {"interval_s": ..., "counters": {name: per second}, "drops": {...}, "cycles_per_packet": ...} of
// two objects as from ctl_status_dataplane_json. NULL when the dataplane was restarted in between,
// or no time passed. The caller owns it.
json_t *cli_rates(const json_t *before, const json_t *after);
