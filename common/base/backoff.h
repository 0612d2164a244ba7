// SPDX-License-Identifier: BSD-3-Clause
// How long a program that died waits for its next start.
#pragma once

#include <stdint.h>

#define TP_BACKOFF_MIN_MS 100
#define TP_BACKOFF_MAX_MS 10000
// Whoever ran for so long starts over with the shortest pause.
#define TP_BACKOFF_GOOD_MS 10000

struct tp_backoff {
	uint32_t next_ms; // 0: the shortest
};

// The pause in milliseconds after a run of `ran_ms`: twice the one before, up to the longest, and
// up to a quarter more by `random` (any value), so that appliances which died together do not come
// back in step.
uint32_t tp_backoff_after(struct tp_backoff *b, uint64_t ran_ms, uint32_t random);
