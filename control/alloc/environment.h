// SPDX-License-Identifier: BSD-3-Clause
// What the session store takes from outside, so that tests drive it: time, randomness and the way
// to the dataplane. No clock is read, no socket touched in control/alloc, control/auth and
// control/turn.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/abi/cmd.h"

// The two clocks, read by the caller once an event (common/base/clock.h).
struct ctl_time {
	uint64_t now_ns;  // CLOCK_MONOTONIC: every deadline
	uint64_t wall_ns; // CLOCK_REALTIME: accounting, nonces, time-limited credentials
};

struct ctl_random {
	// Fills out[len] from a CSPRNG. 0 or -errno.
	int (*bytes)(void *context, void *out, size_t len);
	void *context;
};

// tp_random_bytes behind the interface.
struct ctl_random ctl_random_system(void);

// Where dataplane commands go. They are executed and acknowledged in the order of their sequences.
struct ctl_commands {
	// Queues one command and returns the sequence it gave it: strictly increasing over the life
	// of the sink, never 0. Called at most as often as room() said; copies *cmd.
	uint64_t (*send)(void *context, const struct tp_cmd *cmd);
	// How many commands can be queued now. 0 while no dataplane is attached.
	uint32_t (*room)(void *context);
	void *context;
};
