// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/backoff.h"

uint32_t tp_backoff_after(struct tp_backoff *b, uint64_t ran_ms, uint32_t random)
{
	uint32_t pause_ms = b->next_ms;

	if (pause_ms == 0 || ran_ms >= TP_BACKOFF_GOOD_MS)
		pause_ms = TP_BACKOFF_MIN_MS;
	b->next_ms = pause_ms < TP_BACKOFF_MAX_MS / 2 ? pause_ms * 2 : TP_BACKOFF_MAX_MS;
	return pause_ms + random % (pause_ms / 4 + 1);
}
