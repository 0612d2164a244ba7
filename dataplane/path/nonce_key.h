// SPDX-License-Identifier: BSD-3-Clause
// The keys that control signs nonces with, and the distance between the two clocks: published by
// the management thread about once a second, read by a worker when it answers with a challenge or
// judges a nonce. A sequence lock; a reader that meets the writer goes on with what it read before.
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct dp_nonce_sign {
	uint8_t key[2][16];      // [0] signs, both verify
	uint64_t keys;           // 1 or 2; 0: there is none
	uint64_t wall_offset_ns; // wall clock minus CLOCK_MONOTONIC, modulo 2^64
};
#define DP_NONCE_WORDS 6
static_assert(sizeof(struct dp_nonce_sign) == DP_NONCE_WORDS * sizeof(uint64_t));

struct dp_nonce_key {
	_Atomic uint32_t sequence; // w: manager r: workers; odd while being written
	_Atomic uint64_t word[DP_NONCE_WORDS];
};

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
	atomic_store_explicit(&k->sequence, sequence + 2, memory_order_release);
	explicit_bzero(words, sizeof(words));
}

// Worker. Brings *sign, zero at first, up to date; unchanged while the writer writes. Whether there
// is a key.
static inline bool dp_nonce_renew(const struct dp_nonce_key *k, struct dp_nonce_sign *sign)
{
	uint64_t words[DP_NONCE_WORDS];
	uint32_t sequence = atomic_load_explicit(&k->sequence, memory_order_acquire);

	for (int i = 0; i < DP_NONCE_WORDS; i++)
		words[i] = atomic_load_explicit(&k->word[i], memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if ((sequence & 1) == 0 &&
		atomic_load_explicit(&k->sequence, memory_order_relaxed) == sequence)
		memcpy(sign, words, sizeof(*sign));
	return sign->keys != 0;
}
