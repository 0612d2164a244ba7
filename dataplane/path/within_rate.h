// SPDX-License-Identifier: BSD-3-Clause
// The rates of an allocation, applied to a datagram that is about to be relayed. The rate stands in
// every flow, the buckets in an array by allocation: without a rate none of it is touched.
#pragma once

#include "dataplane/path/state.h"
#include "dataplane/table/flow.h"

static inline bool dp_rate_take(
	struct dp_batch *b, struct dp_packet *p, struct dp_police_pair *pair, uint64_t rate)
{
	if (!dp_police(&pair->bytes, dp_rate_kbytes(rate), p->payload_length, b->now_ns)) {
		dp_packet_drop(b, p, TP_DROP_policed);
		return false;
	}
	if (!dp_police_packet(&pair->packets, dp_rate_packets(rate), b->now_ns)) {
		dp_packet_drop(b, p, TP_DROP_policed_packets);
		return false;
	}
	return true;
}

// False: over one of the rates, and dropped for it.
static inline bool dp_within_rate_up(
	const struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	uint64_t rate = atomic_load_explicit(&p->flow->rate, memory_order_relaxed);

	return rate == 0 || dp_rate_take(b, p, &w->dp->police[p->flow->alloc.index].up, rate);
}

static inline bool dp_within_rate_down(
	const struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	uint64_t rate = atomic_load_explicit(&p->flow->rate, memory_order_relaxed);

	return rate == 0 || dp_rate_take(b, p, &w->dp->police[p->flow->alloc.index].down, rate);
}
