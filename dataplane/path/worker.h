// SPDX-License-Identifier: BSD-3-Clause
// A worker: one lcore, its receive queues, its pipeline, its counters.
#pragma once

#include "common/abi/memory.h"
#include "dataplane/dp.h"

// Creates the worker with its private memory on its own socket: hand-off rings, transmit buffers,
// reassembly table. 0 or -errno. Called by main before the lcores start, after all ports are open.
int dp_worker_create(struct dp *dp, uint16_t index, unsigned int lcore, struct dp_worker **out);
void dp_worker_destroy(struct dp_worker *w);

// The lcore's functions (rte_eal_remote_launch); `arg` is struct dp_worker *. The first one names the thread, 0 or
// -errno, and wants a system call that the filter does not allow; the second one loops until dp->stop.
int dp_worker_name(void *arg);
int dp_worker_main(void *arg);

// ---- management thread

// Publishes the rings of a new attachment (NULL: none). The worker drains the inject ring of the
// old one before it takes the new; the caller frees the old one after a QSBR grace period.
void dp_worker_set_link(struct dp_worker *w, struct dp_control_link *link);

// Publishes the rings of a stream process (NULL: it has gone) at its TP_STREAM_PLACE. The caller
// frees those that stood there after a QSBR grace period.
void dp_worker_set_stream(struct dp_worker *w, uint32_t place, struct dp_stream_link *link);

// eventfd that wakes the worker out of poll() (inject rings and rings of streams carry it as
// event_fd too).
int dp_worker_event_fd(const struct dp_worker *w);
void dp_worker_kick(struct dp_worker *w);

// A flow by which a datagram of a moving client came (path/moves.h); false when there is none.
bool dp_worker_take_move(struct dp_worker *w, uint32_t *flow);

// Adds this worker's totals to the arrays; `held` counts packets in its rings, buffers, reassembly.
void dp_worker_add_stats(const struct dp_worker *w, uint64_t counter[TP_COUNTERS],
	uint64_t drop[TP_DROPS], uint64_t *held);
// Monotonic time at which the worker last passed its loop: at most a quarter of a second ago, also
// of one that sleeps.
uint64_t dp_worker_last_seen_ns(const struct dp_worker *w);

// What became of the last probe.
struct dp_probe_report {
	uint32_t round;
	uint16_t result; // enum tp_probe_result
	uint16_t reason; // enum tp_drop_reason with TP_PROBE_DROPPED
	uint64_t done_ns;
};
// Has the worker relay a probe (path/probe.h) and report it under this round. A round that comes
// before the last one was taken replaces it.
void dp_worker_probe(struct dp_worker *w, uint32_t round);
void dp_worker_probe_report(const struct dp_worker *w, struct dp_probe_report *out);

// Tells the private memory of this worker.
void dp_worker_memory(const struct dp_worker *w, struct tp_memory *out);
