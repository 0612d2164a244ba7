// SPDX-License-Identifier: BSD-3-Clause
// A client that moves has arrived when a datagram comes by a flow with DP_FLOW_MOVE (RFC 8016
// section 3.2.2). The worker that sees it notes it in the client's flow: from then on every worker
// sends what the peers have for it there. And it tells the management thread, which replaces the
// flows. Each flow is named once; a burst costs at most one write to the eventfd, and only when the
// thread has not been woken yet.
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/table/flow.h"

#define DP_MOVES_SLOTS 256

struct dp;
struct dp_batch;
struct dp_packet;
struct dp_flow_table;

// One for all workers; the management thread's.
struct dp_moves_wake {
	_Atomic uint32_t wanted; // w: workers (1), manager (0 before it looks), seq_cst
	int event_fd;
};

// One a worker, single producer and consumer.
struct dp_moves {
	alignas(64) _Atomic uint32_t head; // w: worker r: manager, seq_cst
	bool news;                         // worker: since the last flush
	alignas(64) _Atomic uint32_t tail; // w: manager, release r: worker, acquire
	uint32_t slot[DP_MOVES_SLOTS];     // flow indices
};

// Worker. A datagram came by an uplink flow that has DP_FLOW_MOVE: its client has arrived, unless
// the move was given up. Names the flow, unless it was named; without room its next datagram tries
// again.
void dp_moves_note(struct dp_moves *m, const struct dp_flow_table *flows, struct dp_flow *flow);
// Worker. A packet goes where its downlink flow, which has DP_FLOW_MOVE or DP_FLOW_STREAM among its
// flags, says; if the client is on the move and has arrived it goes there instead. -> STREAM when
// that is behind a stream process; else its verdict stays.
__attribute__((cold)) void dp_moves_follow(const struct dp *dp, const struct dp_flow_table *flows,
	struct dp_batch *b, struct dp_packet *p, uint8_t flags);
// Worker, once a burst. `wake` NULL: nobody listens.
void dp_moves_flush(struct dp_moves *m, struct dp_moves_wake *wake);

// Management thread. Takes the oldest named flow; false when there is none.
bool dp_moves_take(struct dp_moves *m, uint32_t *flow);
