// SPDX-License-Identifier: BSD-3-Clause
// OpaqueString: what is accepted has no control characters and prepares to itself, in exactly the
// room that it needs.
#include "control/auth/opaque_string.h"

#include <errno.h>

#include "tests/fuzz/fuzz.h"

static void check_prepared(const uint8_t *text, size_t length)
{
	uint8_t *again = malloc(length);

	for (size_t i = 0; i < length; i++)
		FUZZ_CHECK(text[i] >= 0x20 && text[i] != 0x7f);
	// The limit is one of what is given, not of what comes out.
	if (length <= CTL_OPAQUE_MAX_BYTES) {
		FUZZ_CHECK(ctl_opaque_prepare(text, length, again, length) == (int)length);
		FUZZ_CHECK(memcmp(text, again, length) == 0);
		FUZZ_CHECK(ctl_opaque_prepare(text, length, again, length - 1) == -E2BIG);
	}
	free(again);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static const size_t capacity = 6 * CTL_OPAQUE_MAX_BYTES;
	uint8_t *out = malloc(capacity);
	int n = ctl_opaque_prepare(data, size, out, capacity);

	FUZZ_CHECK(n > 0 || n == -EINVAL || n == -E2BIG);
	FUZZ_CHECK(n != -E2BIG || size > CTL_OPAQUE_MAX_BYTES);
	if (n > 0) {
		check_prepared(out, (size_t)n);
		if ((size_t)n < size)
			fuzz_canary(data + size);
	}
	free(out);
}
