// SPDX-License-Identifier: BSD-3-Clause
// `turnpikectl upgrade control`: starts the program anew from where this process came, hands over
// to it and ends. Until the new one says that the dataplane is in step with it, this one can take
// everything back, and does when the new one fails, ends or takes too long. Media does not notice;
// requests of the few milliseconds between are retransmitted by their clients. The other side is
// takeover.h. Loop thread only.
//
//   new: configuration read  -> HELLO
//   old: requests under way end, detaches  -> TAKE with lock and listeners
//   new: attaches, adopts, replays  -> READY
//   old: answers the operator, ends
#pragma once

#include "control/api/server.h"
#include "control/ctl.h"

// Begins; `call` is answered when it is over, either way.
void ctl_upgrade_begin(struct ctl *ctl, struct ctl_call *call);
// Once a round of the loop: goes on where something else than the new process was waited for.
void ctl_upgrade_step(struct ctl *ctl);
// Whether the new one is in charge: what belongs to the run directory is its own.
bool ctl_upgrade_done(const struct ctl *ctl);
// Ends one under way, and the new process with it.
void ctl_upgrade_free(struct ctl *ctl);
