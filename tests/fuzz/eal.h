// SPDX-License-Identifier: BSD-3-Clause
// EAL for the targets of the dataplane: once a process, without hugepages or devices.
#pragma once

#include "tests/fuzz/script.h"
#include "tests/unit/dataplane/eal.h"

static inline void fuzz_eal(void)
{
	static bool up;

	if (!up)
		FUZZ_CHECK(test_eal_init("256") >= 0);
	up = true;
}
