// SPDX-License-Identifier: BSD-3-Clause
// Stands in for tables, workers and routing, so that the tests see the management thread alone.
#pragma once

#include "common/abi/stream.h"
#include "dataplane/dp.h"
#include "dataplane/path/moves.h"
#include "dataplane/path/worker.h"

struct fakes {
	uint32_t executed;
	uint64_t last_sequence;
	int slices_left;
	struct dp_control_link *link;
	uint32_t links_set;
	struct dp_stream_link *stream[TP_STREAM_PLACES];
	uint32_t streams_set; // attached, ever
	int worker_event_fd;
	uint64_t last_seen_ns;
	uint32_t probes; // rounds asked for
	struct dp_probe_report report;
	int net_fd;
	uint32_t net_ticks;
	uint64_t generation;
	uint32_t n_named; // flows that workers named and nobody took
	uint32_t moves;
	uint8_t *block; // what the allocations are kept in
	size_t block_bytes;
};
