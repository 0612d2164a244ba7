// SPDX-License-Identifier: BSD-3-Clause
// What a fuzz target defines and what it asserts with. See README.md.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The target: one input, of exactly `size` readable bytes, at any alignment.
void fuzz_one(const uint8_t *data, size_t size);

// Runs fuzz_one over an exact-size heap copy at `offset` (0 to 3) from an aligned address, so that
// the sanitizers see any read beyond the end, and any access that takes alignment for granted.
void fuzz_run(const uint8_t *data, size_t size, size_t offset);

// Stays in every build.
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

// [p, p + n) lies in [data, data + size).
static inline bool fuzz_inside(const uint8_t *p, size_t n, const uint8_t *data, size_t size)
{
	return p >= data && p <= data + size && n <= (size_t)(data + size - p);
}

// With -Dfuzz_canary=true the bug that proves target, copies and sanitizers work: a read of the
// byte behind what the parser accepted. Put where only an accepted, not too common input leads.
void fuzz_canary(const uint8_t *end);
