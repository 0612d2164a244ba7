// SPDX-License-Identifier: BSD-3-Clause
// Binding requests of RFC 3489: never what the reader of RFC 8489 accepts, and all that is said of
// one is in its bytes.
#include "common/base/bytes.h"
#include "common/wire/stun_classic.h"
#include "common/wire/stun_read.h"
#include "tests/fuzz/fuzz.h"

static bool has_type(const uint8_t *data, size_t size, uint16_t type)
{
	for (size_t at = STUN_HEADER_BYTES; at + 4 <= size; at += 4)
		if (tp_rd16(data + at) == type)
			return true;
	return false;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct stun_classic c;
	struct stun_message m;

	if (!stun_classic_read(data, size, &c))
		return;
	FUZZ_CHECK(stun_read(data, size, &m) == STUN_READ_NOT_STUN);
	FUZZ_CHECK(fuzz_inside(c.transaction_id, 16, data, size));
	FUZZ_CHECK(c.n_unknown <= STUN_CLASSIC_UNKNOWN_MAX);
	for (uint32_t i = 0; i < c.n_unknown; i++) {
		FUZZ_CHECK(c.unknown[i] < 0x8000 && has_type(data, size, c.unknown[i]));
		for (uint32_t k = 0; k < i; k++)
			FUZZ_CHECK(c.unknown[i] != c.unknown[k]);
	}
	FUZZ_CHECK(c.has_change || c.change == 0);
	if (c.has_change) {
		FUZZ_CHECK(has_type(data, size, STUN_ATTR_CHANGE_REQUEST));
		fuzz_canary(data + size);
	}
}
