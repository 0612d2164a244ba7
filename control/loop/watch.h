// SPDX-License-Identifier: BSD-3-Clause
// Heartbeats as control gives and takes them: its own into the session region four times a second,
// out of a timer of the loop, so that a loop that does not come round does not beat; and the
// dataplane's management thread out of it. Loop thread only.
#pragma once

#include "common/base/beat.h"
#include "control/ctl.h"

struct ctl_watch;

// What is known of the dataplane while attached.
struct ctl_watch_view {
	bool beats;          // false: away, or one of an earlier version
	bool manager_hung;   // by our own look
	uint32_t manager_ms; // age of its beat
	uint64_t hangs;      // times it was found hung
	uint16_t workers;
	uint32_t worker_ms[TP_MAX_WORKERS]; // as old as the management thread last saw them
};

// Begins to beat. 0 or -ENOMEM.
int ctl_watch_create(struct ctl *ctl, struct ctl_watch **out);
void ctl_watch_destroy(struct ctl_watch *w);
// `w` may be NULL: nothing is known.
void ctl_watch_look(const struct ctl_watch *w, uint64_t now_ns, struct ctl_watch_view *out);
