// SPDX-License-Identifier: BSD-3-Clause
// When processes that are missing are started: at once, then later and later while they do not
// stay. No clock, no processes of its own.
#pragma once

#include "common/base/backoff.h"

struct ctl_respawn {
	uint32_t wanted;
	struct tp_backoff backoff;
	uint64_t stayed_ms;     // those that are missing now
	uint64_t not_before_ns; // of the next start
	uint64_t complete_ns;   // since when all are there; 0: some are missing
};

// `wait_ms`: for those that are there already to show themselves.
void ctl_respawn_init(struct ctl_respawn *r, uint32_t wanted, uint32_t wait_ms, uint64_t now_ns);

// How many to start now, when `there` are there or on their way. The caller starts them, or fails
// to: the next time is later in either case. When they had stayed for TP_BACKOFF_GOOD_MS it begins
// anew.
uint32_t ctl_respawn_due(struct ctl_respawn *r, uint32_t there, uint64_t now_ns);

// When to ask again, UINT64_MAX: not before something changes.
uint64_t ctl_respawn_deadline(const struct ctl_respawn *r, uint32_t there);
