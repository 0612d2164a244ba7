// SPDX-License-Identifier: BSD-3-Clause
// What a worker does when nothing arrives, or little (idle: backoff).
#pragma once

#include "dataplane/path/state.h"

// Blocks (idle: backoff) until a receive queue, a hand-off, an inject ring, a stream or the manager
// wakes it, or a quarter of a second has passed. The worker is offline to QSBR meanwhile and holds
// no pointer into tables when it comes back.
void dp_idle_block(struct dp_worker *w);

// After a turn that found something: whether so little comes that it may gather, less than 256
// frames a millisecond over the last one at least. `now_ns`: of this turn.
bool dp_idle_calm(struct dp_worker *w, uint64_t now_ns);

// Sleeps for 50 us, whatever comes meanwhile: what it costs to take a frame and to send it is paid
// once for those that have gathered. Offline to QSBR like dp_idle_block.
void dp_idle_pause(struct dp_worker *w);

// By the worker's thread, before its first turn: a pause is as long as it says.
void dp_idle_prepare(void);
