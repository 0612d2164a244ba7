// SPDX-License-Identifier: BSD-3-Clause
// How fast bytes may pass, where what is too fast waits instead of being dropped: the time at which
// what has passed is paid for. A read is not cut to what is left: it makes a debt, and the next one
// waits until that is paid. Pure.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

struct stream_rate {
	uint64_t bytes_per_s; // 0: unlimited
	uint64_t paid_ns;     // until then nothing passes
};

// What may pass at once after a pause: as much as in this time.
#define STREAM_RATE_DEPTH_NS (TP_NS_PER_S / 8)

// Another rate begins with nothing to pay: what was owed at the old one may be minutes.
static inline void stream_rate_set(struct stream_rate *rate, uint64_t bytes_per_s)
{
	if (rate->bytes_per_s != bytes_per_s)
		*rate = (struct stream_rate){.bytes_per_s = bytes_per_s};
}

static inline bool stream_rate_open(const struct stream_rate *rate, uint64_t now_ns)
{
	return rate->bytes_per_s == 0 || rate->paid_ns <= now_ns;
}

// `bytes`: of one read, at most 2^32.
static inline void stream_rate_take(struct stream_rate *rate, uint64_t bytes, uint64_t now_ns)
{
	if (rate->bytes_per_s == 0)
		return;
	if (rate->paid_ns + STREAM_RATE_DEPTH_NS < now_ns)
		rate->paid_ns = now_ns - STREAM_RATE_DEPTH_NS;
	rate->paid_ns += bytes * TP_NS_PER_S / rate->bytes_per_s;
}
