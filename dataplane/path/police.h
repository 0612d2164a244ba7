// SPDX-License-Identifier: BSD-3-Clause
// Token buckets in one 64-bit word each, without a division. The word is a level on the line
// now * rate: its distance to the present is the credit. Nothing accumulates rounding, and the
// modular difference survives the wrap of the product.
#pragma once

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// now_ns / 64 * rate: a second is 15,625,000 units of what the rate counts.
#define DP_POLICE_UNITS_PER_PACKET 15625000
#define DP_POLICE_UNITS_PER_BYTE   15625 // the rate counts kilobytes
// Depth: 134 ms at the rate, and never less than four full datagrams.
#define DP_POLICE_LEAST_BYTES   6000
#define DP_POLICE_LEAST_PACKETS 4

// The buckets of an allocation, an array by allocation index; touched only where there is a rate.
struct dp_police_pair {
	_Atomic uint64_t bytes, packets; // w: workers, relaxed
};
struct dp_police_state {
	alignas(32) struct dp_police_pair up; // client to peers, whichever channel or indication
	struct dp_police_pair down;
};
static_assert(sizeof(struct dp_police_state) == 32);

// Takes `cost` units out of a bucket that is never less deep than `least` units.
static inline bool dp_police_level(
	uint64_t *level, uint32_t rate, int64_t cost, int64_t least, uint64_t now_ns)
{
	uint64_t present = (now_ns >> 6) * rate;
	int64_t depth = ((int64_t)rate << 21) + least;
	int64_t credit = (int64_t)(present - *level);

	// A word of zero is an allocation's first datagram: there is no level to be distant from,
	// and the product itself is as often negative as not once it has wrapped.
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

static inline bool dp_police_take(
	_Atomic uint64_t *word, uint32_t rate, int64_t cost, int64_t least, uint64_t now_ns)
{
	if (rate == 0)
		return true;
	uint64_t level = atomic_load_explicit(word, memory_order_relaxed);
	bool pass = dp_police_level(&level, rate, cost, least, now_ns);
	atomic_store_explicit(word, level, memory_order_relaxed);
	return pass;
}

// Whether a datagram fits the rate. Workers that share a word load and store it without a lock: of
// those that meet between the two, each may let one datagram more pass. Besides, their clocks, read
// once a burst, differ: the rate times that distance is let pass once more at each change of
// worker.
static inline bool dp_police(
	_Atomic uint64_t *word, uint32_t rate_kbytes_per_s, uint32_t bytes, uint64_t now_ns)
{
	return dp_police_take(word, rate_kbytes_per_s, (int64_t)bytes * DP_POLICE_UNITS_PER_BYTE,
		(int64_t)DP_POLICE_LEAST_BYTES * DP_POLICE_UNITS_PER_BYTE, now_ns);
}

static inline bool dp_police_packet(
	_Atomic uint64_t *word, uint32_t rate_packets_per_s, uint64_t now_ns)
{
	return dp_police_take(word, rate_packets_per_s, DP_POLICE_UNITS_PER_PACKET,
		(int64_t)DP_POLICE_LEAST_PACKETS * DP_POLICE_UNITS_PER_PACKET, now_ns);
}
