// SPDX-License-Identifier: BSD-3-Clause
// Transmit buffers: one a port and worker, emptied at the end of a burst.
#pragma once

#include "dataplane/path/state.h"

// Takes the frame: it is sent, or counted as a drop and freed, in any case settled. `stands_for`:
// DP_FRAME_* word. The worker that owns `w` calls.
void dp_tx_append(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, uint32_t stands_for);

// The same for a frame in one segment whose word is in place already.
static inline void dp_tx_put(struct dp_worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct dp_tx *tx = &w->tx[port];

	if (unlikely(tx->n == DP_TX_BUFFER))
		dp_tx_append(w, port, m, m->hash.usr);
	else
		tx->frame[tx->n++] = m;
}

// Sends what is buffered, hands to other workers what they must send, and wakes them.
void dp_tx_flush(struct dp_worker *w);
