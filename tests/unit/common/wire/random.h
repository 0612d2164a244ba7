// SPDX-License-Identifier: BSD-3-Clause
// Numbers for model tests: xorshift64*, the same in every run of the same seed.
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint32_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static inline void random_fill(uint64_t *state, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)random_next(state);
}
