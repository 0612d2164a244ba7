// SPDX-License-Identifier: BSD-3-Clause
// Hand-off: a worker without a queue of its own on a port gives its frames to one that has, through
// a single-producer single-consumer ring for each pair.
#pragma once

#include "dataplane/path/state.h"

// The rings in which `w` receives from each of the `n_workers`. 0 or -ENOMEM.
int dp_handoff_init(struct dp_worker *w, uint16_t n_workers);
// Frees the rings and the frames in them.
void dp_handoff_fini(struct dp_worker *w);

// Producer: puts frames for `port` into the ring of worker `owner`; returns how many it took.
uint16_t dp_handoff_put(
	struct dp_worker *w, uint16_t owner, uint16_t port, struct rte_mbuf *const m[], uint16_t n);
// Producer, end of burst: at most one eventfd write for each worker that sleeps on what it got.
void dp_handoff_wake(struct dp_worker *w);

// Consumer: moves what others put there into the transmit buffers; returns how many.
uint32_t dp_handoff_take(struct dp_worker *w);
// Consumer, about to block: whether anything waits.
bool dp_handoff_waiting(const struct dp_worker *w);
