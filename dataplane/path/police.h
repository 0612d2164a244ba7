// SPDX-License-Identifier: BSD-3-Clause
// Token bucket in one 64-bit word, without a division. The word is a level on the line
// now * rate: its distance to the present is the credit. Nothing accumulates rounding, and the
// modular difference survives the wrap of the product.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// now_ns / 64 * kilobytes a second: a byte is 15,625 units, a second 15,625,000 a kilobyte.
#define DP_POLICE_UNITS_PER_BYTE 15625
// Depth: 134 ms at the rate, and never less than four full datagrams.
#define DP_POLICE_LEAST_BYTES 6000

static inline bool dp_police_level(
	uint64_t *level, uint32_t rate_kbytes_per_s, uint32_t bytes, uint64_t now_ns)
{
	uint64_t present = (now_ns >> 6) * rate_kbytes_per_s;
	int64_t depth = ((int64_t)rate_kbytes_per_s << 21) +
			(int64_t)DP_POLICE_LEAST_BYTES * DP_POLICE_UNITS_PER_BYTE;
	int64_t cost = (int64_t)bytes * DP_POLICE_UNITS_PER_BYTE;
	int64_t credit = (int64_t)(present - *level);

	// A word of zero is a flow's first datagram: there is no level to be distant from, and the
	// product itself is as often negative as not once it has wrapped.
	if (credit > depth || *level == 0)
		credit = depth;
	else if (credit < 0)
		credit = 0; // another worker's clock is a little ahead, or the rate was lowered
	if (credit < cost) {
		*level = present - (uint64_t)credit;
		return false;
	}
	*level = present - (uint64_t)(credit - cost);
	return true;
}

// Whether a datagram fits the rate. Workers that share a flow may each let one datagram more pass.
static inline bool dp_police(
	_Atomic uint64_t *word, uint32_t rate_kbytes_per_s, uint32_t bytes, uint64_t now_ns)
{
	if (rate_kbytes_per_s == 0)
		return true;
	uint64_t level = atomic_load_explicit(word, memory_order_relaxed);
	bool pass = dp_police_level(&level, rate_kbytes_per_s, bytes, now_ns);
	atomic_store_explicit(word, level, memory_order_relaxed);
	return pass;
}
