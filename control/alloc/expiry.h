// SPDX-License-Identifier: BSD-3-Clause
// What ends by itself: allocations, permissions, channels, resting relay ports, reservations.
#pragma once

#include "control/alloc/store.h"

// Ends everything whose deadline is at or before now, oldest first, at most `max` objects and as
// far as there is room for the delete commands. Returns how many ended; call again at once when it
// returned `max`.
uint32_t ctl_store_expire(struct ctl_store *store, struct ctl_time now, uint32_t max);

// When ctl_store_expire has work next (CLOCK_MONOTONIC), UINT64_MAX never. A deadline in the past
// means that it was out of room or stopped at `max`.
uint64_t ctl_store_next_deadline(const struct ctl_store *store);
