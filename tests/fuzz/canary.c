// SPDX-License-Identifier: BSD-3-Clause
// A file of its own, so that the builds with and without it differ in nothing else.
#include "tests/fuzz/fuzz.h"

void fuzz_canary(const uint8_t *end)
{
#ifdef TP_FUZZ_CANARY
	volatile uint8_t behind = *end;
	(void)behind;
#else
	(void)end;
#endif
}
