// SPDX-License-Identifier: BSD-3-Clause
// `stats` for people.
#pragma once

#include <jansson.h>

// An object as from ctl_status_dataplane_json, with "rates" (or without).
void cli_print_stats(const json_t *stats);
