// SPDX-License-Identifier: BSD-3-Clause
// Watching: the heartbeats that both processes leave in the session region, and the probe by which
// turnpikectl has every worker relay a packet.
#pragma once

#include <stdatomic.h>

#include "common/abi/record.h"

// In the region's header page, between the keys and the relay addresses. CLOCK_MONOTONIC of the
// last beat, 0: none yet (regions of earlier versions have zeros there).
#define TP_REGION_BEATS_OFFSET 1536

struct tp_region_beats {
	_Atomic uint64_t dataplane_ns;              // w: management thread r: control, relaxed
	_Atomic uint64_t control_ns;                // w: control r: management thread, relaxed
	_Atomic uint64_t worker_ns[TP_MAX_WORKERS]; // w: management thread (a copy) r: control
};
static_assert(TP_REGION_ALLOC_JOURNAL_OFFSET + sizeof(struct tp_region_alloc_journal) <=
	      TP_REGION_BEATS_OFFSET);
static_assert(
	TP_REGION_BEATS_OFFSET + sizeof(struct tp_region_beats) <= TP_REGION_PEER_JOURNAL_OFFSET);

static inline struct tp_region_beats *tp_region_beats(void *header)
{
	return (struct tp_region_beats *)((uint8_t *)header + TP_REGION_BEATS_OFFSET);
}

// ---- TP_MSG_PROBE, any role that may ask for the status: relay a packet in every worker.

#define TP_PROBE_MAX_TIMEOUT_MS 10000

struct tp_probe {
	struct tp_message_header header;
	uint32_t timeout_ms; // the answer comes then at the latest, with what is known
	uint32_t pad;
};

enum tp_probe_result {
	TP_PROBE_NONE = 0,    // the worker did not take it: it hangs
	TP_PROBE_RELAYED = 1, // it came out as it has to
	TP_PROBE_DROPPED = 2, // `reason`: enum tp_drop_reason
	TP_PROBE_DAMAGED = 3, // what came out is not what went in
	TP_PROBE_UNMADE = 4,  // no packet buffer was free
};

struct tp_probe_worker {
	uint16_t result; // enum tp_probe_result
	uint16_t reason;
	uint32_t latency_us; // from the question to the worker's report
	uint32_t beat_ms;    // age of its beat when the answer was written
	uint32_t hangs;      // times it was found hung
};

struct tp_probe_reply {
	struct tp_message_header header;
	uint32_t pid;
	uint32_t control_pid; // 0: none attached
	uint32_t control_beat_ms;
	uint32_t control_hangs;
	uint16_t control_beats; // 0: an attached control that does not beat (of an earlier version)
	uint16_t workers;
	uint32_t pad;
	struct tp_probe_worker worker[TP_MAX_WORKERS];
};
static_assert(sizeof(struct tp_probe_worker) == 16);
static_assert(sizeof(struct tp_probe_reply) == 40 + 16 * TP_MAX_WORKERS);
