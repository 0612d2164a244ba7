// SPDX-License-Identifier: BSD-3-Clause
// Brackets a change of a record in the session region: its sequence is odd in between, so that a
// control that adopts the region after a crash sees that the record is torn.
#pragma once

#include "common/abi/record.h"

static inline void ctl_write_begin(_Atomic uint32_t *sequence)
{
	uint32_t s = atomic_load_explicit(sequence, memory_order_relaxed);
	atomic_store_explicit(sequence, s | 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); // no field is written before the mark
}

static inline void ctl_write_end(_Atomic uint32_t *sequence)
{
	uint32_t s = atomic_load_explicit(sequence, memory_order_relaxed);
	atomic_store_explicit(sequence, (s | 1) + 1, memory_order_release);
}

static inline bool ctl_record_torn(const _Atomic uint32_t *sequence)
{
	return atomic_load_explicit(sequence, memory_order_acquire) & 1;
}
