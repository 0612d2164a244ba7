// SPDX-License-Identifier: BSD-3-Clause
// Client of RUN_DIRECTORY/dataplane.sock: greets, attaches, asks for status, comes back with
// growing pauses while the dataplane is away. Never blocks. Loop thread only.
#pragma once

#include <event2/event.h>

#include "common/abi/stats.h"
#include "control/dpcmd/attach.h"
#include "control/dpcmd/questions.h"

enum ctl_dataplane_state {
	CTL_DATAPLANE_AWAY,     // nothing listens on the socket
	CTL_DATAPLANE_GREETING, // connected, HELLO sent
	CTL_DATAPLANE_REFUSED,  // it said no; tried again
	CTL_DATAPLANE_ATTACHED,
};

struct ctl_dataplane_options {
	struct event_base *base;
	const char *path; // of the socket; copied
	// A new attachment; its descriptors and memory belong to the callee when it returns 0.
	// Otherwise they are closed and the connection ends, to be tried again.
	int (*attached)(void *context, struct ctl_attachment *attachment);
	// The connection of that attachment ended.
	void (*detached)(void *context);
	void *context;
};

struct ctl_dataplane;

int ctl_dataplane_create(const struct ctl_dataplane_options *options, struct ctl_dataplane **out);
// Calls back waiters of _status with NULL, but not `detached`.
void ctl_dataplane_destroy(struct ctl_dataplane *d);

enum ctl_dataplane_state ctl_dataplane_state(const struct ctl_dataplane *d);
const char *ctl_dataplane_state_text(const struct ctl_dataplane *d);

// Ends the connection because the dataplane broke the agreement, says why in the log; it is then
// tried again. `detached` is called.
void ctl_dataplane_drop(struct ctl_dataplane *d, const char *why);

// Asks for a status reply and calls `done` exactly once, perhaps before it returns: with the reply,
// valid during the call, or with NULL when there is none within a second.
void ctl_dataplane_status(struct ctl_dataplane *d, ctl_question_fn done, void *context);

// What a refusal means and what to do, as a sentence; `detail` is tp_refused.detail.
void ctl_dataplane_explain_refusal(
	uint16_t reason, uint32_t detail, char out[CTL_ATTACH_WHY_BYTES]);
