// SPDX-License-Identifier: BSD-3-Clause
// The new side of `turnpikectl upgrade control`: this process was started by the control before and
// takes over from it (handover.h). The other side is upgrade.h.
#pragma once

#include <stdbool.h>

struct ctl_takeover {
	int link;      // to the control before; -1: nobody hands over to us, or it is done
	int lock;      // 0: none came
	int api;       // listener of the control socket
	int metrics;   // listener of the metrics
	int streams;   // listener of the stream processes
	bool attached; // the control before was attached to a dataplane
};

// Looks at the environment. True when another control started us; *t is empty otherwise.
bool ctl_takeover_asked(struct ctl_takeover *t);

// Says that we are prepared, and waits until everything is ours. 0; -errno: it was given up, end.
int ctl_takeover_wait(struct ctl_takeover *t, const char *run_directory);

// Tells the control before that it may go; without one, or `t` NULL: nothing.
void ctl_takeover_ready(struct ctl_takeover *t);

// Closes what nobody took.
void ctl_takeover_close(struct ctl_takeover *t);
