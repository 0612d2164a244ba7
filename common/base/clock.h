// SPDX-License-Identifier: BSD-3-Clause
// The two clocks: CLOCK_MONOTONIC nanoseconds for every deadline, wall clock for accounting only.
// Anything with time semantics takes `now_ns` as a parameter; only main loops read the clock.
#pragma once

#include <stdint.h>
#include <time.h>

#define TP_NS_PER_S  UINT64_C(1000000000)
#define TP_NS_PER_MS UINT64_C(1000000)

static inline uint64_t tp_clock_read(clockid_t id)
{
	struct timespec ts;
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * TP_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t tp_now_ns(void)
{
	return tp_clock_read(CLOCK_MONOTONIC);
}

static inline uint64_t tp_wall_ns(void)
{
	return tp_clock_read(CLOCK_REALTIME);
}
