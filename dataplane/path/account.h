// SPDX-License-Identifier: BSD-3-Clause
// Counts datagrams and bytes of a flow, exactly, whoever sees them. A channel flow belongs to the
// first worker that meets it: that one counts by plain stores in `packets` and `bytes`, every other
// by fetch-add in `up_packets` and `up_bytes`, so the two never touch the same word. A permission
// flow is counted by fetch-add; there the pairs are the two directions.
#pragma once

#include "dataplane/path/state.h"
#include "dataplane/table/flow.h"

static inline void dp_account_shared(
	_Atomic uint64_t *packets, _Atomic uint64_t *bytes, uint32_t length)
{
	atomic_fetch_add_explicit(packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(bytes, length, memory_order_relaxed);
}

// The first time, or another worker's flow.
static __rte_noinline __attribute__((cold)) bool dp_account_claim(
	const struct dp_worker *w, struct dp_flow *flow, uint32_t length)
{
	uint8_t owner = DP_OWNER_NONE;

	if (atomic_compare_exchange_strong_explicit(&flow->owner, &owner, (uint8_t)w->index,
		    memory_order_relaxed, memory_order_relaxed))
		return true;
	dp_account_shared(&flow->up_packets, &flow->up_bytes, length);
	return false;
}

static inline void dp_account_channel(
	const struct dp_worker *w, struct dp_flow *flow, uint32_t length)
{
	if (unlikely(atomic_load_explicit(&flow->owner, memory_order_relaxed) != w->index) &&
		!dp_account_claim(w, flow, length))
		return;
	atomic_store_explicit(&flow->packets,
		atomic_load_explicit(&flow->packets, memory_order_relaxed) + 1,
		memory_order_relaxed);
	atomic_store_explicit(&flow->bytes,
		atomic_load_explicit(&flow->bytes, memory_order_relaxed) + length,
		memory_order_relaxed);
}
