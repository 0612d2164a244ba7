// SPDX-License-Identifier: BSD-3-Clause
// A worker's counters: one writer, so a plain add; stored relaxed, so the manager reads whole
// words.
#pragma once

#include "dataplane/path/state.h"

static inline void dp_add(_Atomic uint64_t *word, uint64_t n)
{
	atomic_store_explicit(
		word, atomic_load_explicit(word, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void dp_count(struct dp_worker *w, enum tp_counter counter, uint64_t n)
{
	dp_add(&w->counter[counter], n);
}

static inline void dp_count_drop(struct dp_worker *w, enum tp_drop_reason reason, uint64_t frames)
{
	dp_add(&w->drop[reason], frames);
}
