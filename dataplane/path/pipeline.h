// SPDX-License-Identifier: BSD-3-Clause
// The way of a burst from reception to the transmit buffers.
#pragma once

#include "dataplane/path/worker.h"

// Processes n received frames of a port (index in dp.ports): takes all the mbufs; what leaves lies
// in the transmit buffers afterwards. Called by the worker's lcore, or by any one thread in a test
// or benchmark, where the ports have no queues (dp_port.queues 0), so buffers only collect.
// `now_ns`: CLOCK_MONOTONIC, read once a burst.
void dp_pipeline_run(struct dp_worker *w, struct rte_mbuf *const burst[], uint16_t n, uint16_t port,
	uint64_t now_ns);

// Begins a turn: takes the rings that are published now. They are good until the caller's next
// quiescent state, so every turn begins anew.
void dp_pipeline_begin(struct dp_worker *w);

// Sends what control put into the worker's inject ring, at most a burst; returns how many slots it
// took. Same caller as above.
uint32_t dp_pipeline_inject(struct dp_worker *w, uint64_t now_ns);

// Takes what stream processes put into the worker's rings as packets of their clients, at most a
// burst of slots of each, or the one message that is longer; returns how many slots. Same caller.
uint32_t dp_pipeline_streams(struct dp_worker *w, uint64_t now_ns);

// Takes one packet of our own as far as the frame that would go into a transmit buffer, by the flow
// that only probes find. The frame stays the caller's; nothing of it is in the books. The result's
// verdict is DP_VERDICT_TX when it would leave.
struct dp_packet *dp_pipeline_probe(struct dp_worker *w, struct rte_mbuf *m, uint64_t now_ns);

// Drops incomplete datagrams whose time is up.
void dp_pipeline_tick(struct dp_worker *w, uint64_t now_ns);

// Takes frames out of the transmit buffer of a port without queues, counts them as sent and gives
// them to the caller; at most `max`, returns how many. Buffers hold 256 frames, what is more is a
// tx_full drop.
uint16_t dp_tx_take(struct dp_worker *w, uint16_t port, struct rte_mbuf *out[], uint16_t max);
