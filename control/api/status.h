// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's status reply as JSON, and the verdict over both processes. The same code answers
// in control and, when control is dead, in turnpikectl.
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/abi/stats.h"

// Reads a TP_MSG_STATUS_REPLY of any minor version: what a shorter one lacks is zero.
// 0, or -EPROTO when it is none.
int ctl_status_read(const void *message, size_t length_bytes, struct tp_status_reply *out);

// rx + stream_up = tx + drops + punted + stream_down + held.
struct ctl_books {
	uint64_t rx, stream_up, tx, drops, punted, stream_down, held;
	int64_t difference;
};
void ctl_books_close(const struct tp_status_reply *reply, struct ctl_books *out);

// {"state": "up", "books": {...}, "counters": {...}, "drops": {...}, "ports": [...], ...}.
// The caller owns it.
json_t *ctl_status_dataplane_json(const struct tp_status_reply *reply);

// {"state": "healthy" | "degraded" | "down", "reasons": [...], "control": ..., "dataplane": ...}.
// Takes both; NULL: that process did not answer. Objects as from ctl_status_dataplane_json and
// {"state": "up", "attached": true | false, ...}.
json_t *ctl_status_compose(json_t *control, json_t *dataplane);
