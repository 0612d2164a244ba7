// SPDX-License-Identifier: BSD-3-Clause
// Frames of the core benchmark and the slow oracle: what must come out of them, computed from
// nothing but the description of the world.
#pragma once

#include <rte_mbuf.h>

#include "bench/core/world.h"

#define FRAME_PAYLOAD   164 // of UDP; in a Send indication it is all DATA
#define FRAME_MAX_BYTES 320

// A packet to send: a flow, or its key spoiled so that nothing is found.
struct frame_plan {
	uint32_t flow;
	bool missing;
};

// Writes the frame of a plan into an empty mbuf; `number` marks its payload.
void frame_write(const struct world *w, struct rte_mbuf *m, const struct frame_plan *plan,
	uint64_t number);

// Writes a datagram between two ends into an empty mbuf.
void frame_write_message(
	struct rte_mbuf *m, const struct world_ends *e, const uint8_t *message, size_t len);

// Whether the relay must drop it.
bool frame_is_dropped(const struct frame_plan *plan);

// Compares what came out with what must: 0, or the name of the first thing that differs.
const char *frame_check(const struct world *w, const struct rte_mbuf *m,
	const struct frame_plan *plan, uint64_t number);
