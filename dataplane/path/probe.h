// SPDX-License-Identifier: BSD-3-Clause
// The probe: a ChannelData datagram that a worker makes, relays and looks at, because `turnpikectl
// health` asked. It proves that the worker's loop turns, that packet memory is there, and that
// parse, classify, the flow table, relay, next hop, encapsulation and checksums of this worker make
// the datagram a peer would get. It proves nothing of queues, drivers and links: it enters behind
// reception and is taken out before the transmit buffer.
// From the network none of it can be reached: its flow has a key side that only dp_pipeline_probe
// looks up, and leads to the listener itself.
#pragma once

#include "dataplane/path/worker.h"

#define DP_PROBE_CHANNEL 0x4000
#define DP_PROBE_PORT    9 // of both ends; discard

// Puts the flow of probes into the table. Management thread or main, before the workers start; it
// goes with the table. 0 (without a listener for UDP, too: probes fail then), -ENOMEM, -ENOSPC.
int dp_probe_open(struct dp *dp);

// The worker's, when it finds probe_wanted changed: relays, reports, wakes the management thread.
void dp_probe_run(struct dp_worker *w, uint64_t now_ns);
