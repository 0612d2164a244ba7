// SPDX-License-Identifier: BSD-3-Clause
// What a worker does when nothing arrives.
#pragma once

#include "dataplane/path/state.h"

// Blocks (idle: backoff) until a receive queue, a hand-off, an inject ring, a stream or the manager
// wakes it, or a quarter of a second has passed. The worker is offline to QSBR meanwhile and holds
// no pointer into tables when it comes back.
void dp_idle_block(struct dp_worker *w);
