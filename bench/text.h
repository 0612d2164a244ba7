// SPDX-License-Identifier: BSD-3-Clause
// What the clients of turnpike-bench read alike: numbers of options, texts of answers.
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/wire/stun_read.h"

// False: not a decimal number from `least` to `most`.
static inline bool bench_number64(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && errno == 0 && *out >= least && *out <= most;
}

static inline bool bench_number(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	uint64_t value;

	if (!bench_number64(text, least, most, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

// An attribute's value as a string. False: it is not there, or longer than `out`, which stays.
static inline bool bench_copy_text(
	const struct stun_message *m, uint16_t type, char *out, size_t capacity)
{
	struct stun_attr a;

	if (!stun_find(m, type, &a) || a.length >= capacity)
		return false;
	memcpy(out, a.value, a.length);
	out[a.length] = '\0';
	return true;
}
