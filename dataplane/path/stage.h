// SPDX-License-Identifier: BSD-3-Clause
// Where the cycles of a burst go: one reading of the TSC at the end of each stage, whatever the
// burst holds. What `cycles_busy` has beside these is reception, and rings of others.
#pragma once

#include <rte_cycles.h>

#include "dataplane/path/count.h"

// Books a stage that began at `start`; returns when the next one begins.
static inline uint64_t dp_stage_end(
	struct dp_worker *w, enum tp_counter cycles_of_stage, uint64_t start)
{
	uint64_t now = rte_rdtsc();

	dp_count(w, cycles_of_stage, now - start);
	return now;
}

// Books the size of a burst, 1 to DP_BURST frames: burst_1, burst_2 (2 and 3), burst_4 ...
static inline void dp_stage_burst(struct dp_worker *w, uint32_t frames)
{
	static_assert(TP_COUNTER_burst_32 == TP_COUNTER_burst_1 + 5 && DP_BURST == 32);
	dp_count(w, (enum tp_counter)(TP_COUNTER_burst_32 - (uint32_t)__builtin_clz(frames) + 26), 1);
}
