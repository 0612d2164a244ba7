// SPDX-License-Identifier: BSD-3-Clause
// The way in for libFuzzer, which brings main.
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// One alignment an input, by its content, so that mutations try all of them and a finding stays
// one.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t sum = size;

	for (size_t i = 0; i < size; i++)
		sum += data[i];
	fuzz_run(data, size, sum & 3);
	return 0;
}
