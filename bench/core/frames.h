// SPDX-License-Identifier: BSD-3-Clause
// Frames of the core benchmark and the slow oracle: what must come out of them, computed from
// nothing but the description of the world.
#pragma once

#include <rte_mbuf.h>

#include "bench/core/world.h"

#define FRAME_BYTES     206 // as they arrive
#define FRAME_MAX_BYTES 256

// A packet to send: a flow, or its key spoiled so that nothing is found.
struct frame_plan {
	uint32_t flow;
	bool missing;
};

// Writes the frame of a plan into an empty mbuf; `number` marks its payload.
void frame_write(struct rte_mbuf *m, const struct frame_plan *plan, uint64_t number);

// Whether the relay must drop it.
bool frame_is_dropped(const struct frame_plan *plan);

// Compares what came out with what must: 0, or the name of the first thing that differs.
const char *frame_check(const struct rte_mbuf *m, const struct frame_plan *plan, uint64_t number);
