// SPDX-License-Identifier: BSD-3-Clause
#include "tests/fuzz/fuzz.h"

void fuzz_run(const uint8_t *data, size_t size, size_t offset)
{
	uint8_t *copy = malloc(size + offset);

	FUZZ_CHECK(copy || size + offset == 0);
	if (size > 0)
		memcpy(copy + offset, data, size);
	fuzz_one(copy + offset, size);
	free(copy);
}
