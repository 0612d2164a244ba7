// SPDX-License-Identifier: BSD-3-Clause
// Builds STUN messages byte by byte, without the writer under test, so that wrong ones are
// possible.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/wire/stun.h"

struct stun_build {
	uint8_t bytes[2048];
	size_t length;
};

static inline void build_begin(struct stun_build *b, uint16_t type)
{
	memset(b, 0, sizeof(*b));
	tp_wr16(b->bytes, type);
	tp_wr32(b->bytes + 4, STUN_MAGIC_COOKIE);
	for (uint8_t i = 0; i < 12; i++)
		b->bytes[8 + i] = (uint8_t)(0xa0 + i);
	b->length = STUN_HEADER_BYTES;
}

// Header as said, value zero-padded to four; Message Length follows.
static inline void build_attr(struct stun_build *b, uint16_t type, const void *value, size_t length)
{
	tp_wr16(b->bytes + b->length, type);
	tp_wr16(b->bytes + b->length + 2, (uint16_t)length);
	if (length > 0)
		memcpy(b->bytes + b->length + 4, value, length);
	b->length += 4 + ((length + 3) & ~(size_t)3);
	tp_wr16(b->bytes + 2, (uint16_t)(b->length - STUN_HEADER_BYTES));
}
