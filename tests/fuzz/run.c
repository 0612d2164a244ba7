// SPDX-License-Identifier: BSD-3-Clause
#include "tests/fuzz/fuzz.h"

void fuzz_run(const uint8_t *data, size_t size)
{
	for (size_t offset = 0; offset < 4; offset++) {
		uint8_t *copy = malloc(size + offset);
		FUZZ_CHECK(copy);
		if (size > 0)
			memcpy(copy + offset, data, size);
		fuzz_one(copy + offset, size);
		free(copy);
	}
}
