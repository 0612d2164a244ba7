// SPDX-License-Identifier: BSD-3-Clause
// The one thread of control: rings, timers, sockets and signals, until SIGTERM or SIGINT.
#pragma once

#include "control/ctl.h"

// Begins to attach to the dataplane, and tries until it is there. 0 or -errno.
int ctl_loop_dial(struct ctl *ctl);

// Runs until ctl->stop. 0 or -errno when the signal events cannot be made.
int ctl_loop_run(struct ctl *ctl);
