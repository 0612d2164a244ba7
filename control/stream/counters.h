// SPDX-License-Identifier: BSD-3-Clause
// What the process counts (counter.def), and how it is read: the log has it after SIGUSR1.
#pragma once

#include <stdint.h>

enum stream_counter {
#define STREAM_COUNTER(name, unit, help) STREAM_COUNT_##name,
#include "control/stream/counter.def"
#undef STREAM_COUNTER
	STREAM_COUNTERS,
};

struct stream_counters {
	uint64_t value[STREAM_COUNTERS];
};

// Writes all of them to the log, "name=value", a few a line.
void stream_counters_log(const struct stream_counters *counters);
