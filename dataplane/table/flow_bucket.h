// SPDX-License-Identifier: BSD-3-Clause
// A bucket of the flow table: one cache line. Readers compare all eight tags at once; the writer
// stores a tag before its index and clears the index before its tag, so whatever mix of the two a
// reader sees, an entry that stands throughout is seen whole, and any other is settled by the key.
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#include <rte_common.h>

#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
#include <emmintrin.h>
#define DP_BUCKET_SSE2 1
#endif

#define DP_BUCKET_SLOTS 8

struct dp_flow_bucket {
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint16_t
		tag[DP_BUCKET_SLOTS];           // w: manager r: workers, relaxed; 0 empty
	_Atomic uint32_t flow[DP_BUCKET_SLOTS]; // w: manager, release r: workers, acquire; 0 empty
	_Atomic uint32_t chain; // overflow bucket or 0. w: manager, release r: workers, acquire
	uint32_t retired_next;  // manager: list of freed overflow buckets
	uint64_t retired_token; // manager: QSBR token of the removal
};
static_assert(sizeof(struct dp_flow_bucket) == RTE_CACHE_LINE_SIZE);
static_assert(offsetof(struct dp_flow_bucket, flow) == 16);

// Slots whose tag matches, two bits a slot (bit 2 * slot is the one to look at).
static inline uint32_t dp_bucket_match(const struct dp_flow_bucket *b, uint16_t tag)
{
#ifdef DP_BUCKET_SSE2
	// One 16-byte load; each aligned 16-bit lane of it is a whole store of the writer.
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tag);
	__m128i hit = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));
	return (uint32_t)_mm_movemask_epi8(hit) & UINT32_C(0x5555);
#else
	uint32_t hits = 0;
	for (uint32_t slot = 0; slot < DP_BUCKET_SLOTS; slot++) {
		if (atomic_load_explicit(&b->tag[slot], memory_order_relaxed) == tag)
			hits |= UINT32_C(1) << (2 * slot);
	}
	return hits;
#endif
}
