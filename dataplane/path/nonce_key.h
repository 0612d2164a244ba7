// SPDX-License-Identifier: BSD-3-Clause
// The key that workers sign nonces with, and the distance between the two clocks: published by the
// management thread about once a second, read by a worker when it answers with a challenge. A
// sequence lock; a reader that meets the writer does without and asks control instead.
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DP_NONCE_WORDS 3 // 16 bytes of key, wall clock minus CLOCK_MONOTONIC in nanoseconds

struct dp_nonce_key {
	_Atomic uint32_t sequence; // w: manager r: workers; odd while being written
	_Atomic uint32_t valid;
	_Atomic uint64_t word[DP_NONCE_WORDS];
};

struct dp_nonce_sign {
	uint8_t key[16];
	uint64_t wall_offset_ns; // modulo 2^64
};
static_assert(sizeof(struct dp_nonce_sign) == DP_NONCE_WORDS * sizeof(uint64_t));

// Management thread. NULL: there is no key.
static inline void dp_nonce_publish(struct dp_nonce_key *k, const struct dp_nonce_sign *sign)
{
	uint64_t words[DP_NONCE_WORDS] = {0};
	uint32_t sequence = atomic_load_explicit(&k->sequence, memory_order_relaxed);

	if (sign != NULL)
		memcpy(words, sign, sizeof(words));
	atomic_store_explicit(&k->sequence, sequence + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	for (int i = 0; i < DP_NONCE_WORDS; i++)
		atomic_store_explicit(&k->word[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&k->valid, sign != NULL, memory_order_relaxed);
	atomic_store_explicit(&k->sequence, sequence + 2, memory_order_release);
	explicit_bzero(words, sizeof(words));
}

// Worker. False when there is no key, or it is being written.
static inline bool dp_nonce_take(const struct dp_nonce_key *k, struct dp_nonce_sign *out)
{
	uint64_t words[DP_NONCE_WORDS];
	uint32_t sequence = atomic_load_explicit(&k->sequence, memory_order_acquire);
	uint32_t valid = atomic_load_explicit(&k->valid, memory_order_relaxed);

	for (int i = 0; i < DP_NONCE_WORDS; i++)
		words[i] = atomic_load_explicit(&k->word[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (!valid || (sequence & 1) != 0 ||
		atomic_load_explicit(&k->sequence, memory_order_relaxed) != sequence)
		return false;
	memcpy(out, words, sizeof(*out));
	return true;
}
