// SPDX-License-Identifier: BSD-3-Clause
// An input as a script: bytes taken off its front, zeros behind its end.
#pragma once

#include "tests/fuzz/fuzz.h"

struct fuzz_script {
	const uint8_t *at, *end;
};

static inline struct fuzz_script fuzz_script(const uint8_t *data, size_t size)
{
	return (struct fuzz_script){.at = data, .end = data + size};
}

static inline size_t fuzz_left(const struct fuzz_script *s)
{
	return (size_t)(s->end - s->at);
}

// The next n bytes or as many as are there; the rest of `out` is zero. Returns how many there were.
static inline size_t fuzz_take(struct fuzz_script *s, void *out, size_t n)
{
	size_t there = fuzz_left(s) < n ? fuzz_left(s) : n;

	memset(out, 0, n);
	if (there > 0)
		memcpy(out, s->at, there);
	s->at += there;
	return there;
}

static inline uint8_t fuzz_u8(struct fuzz_script *s)
{
	uint8_t v;

	fuzz_take(s, &v, sizeof(v));
	return v;
}

static inline uint16_t fuzz_u16(struct fuzz_script *s)
{
	uint8_t v[2];

	fuzz_take(s, v, sizeof(v));
	return (uint16_t)(v[0] << 8 | v[1]);
}

// A piece of the script as an exact-size heap copy of at most n bytes, the caller's to free.
static inline uint8_t *fuzz_piece(struct fuzz_script *s, size_t n, size_t *length)
{
	*length = fuzz_left(s) < n ? fuzz_left(s) : n;
	uint8_t *copy = malloc(*length);

	FUZZ_CHECK(copy || *length == 0);
	fuzz_take(s, copy, *length);
	return copy;
}
