// SPDX-License-Identifier: BSD-3-Clause
// Brings EAL up for a unit test: no root, no hugepages, no devices, nothing left behind. The thread
// keeps the CPUs it had (EAL pins it), so that threads made later may run beside it.
#pragma once

#include <sched.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

static inline int test_eal_init(const char *megabytes)
{
	const char *options[] = {"test", "--no-huge", "-m", megabytes, "--no-shconf", "--no-pci",
		"--no-telemetry", "-l", "0", "--log-level=lib.eal:4"};
	char *argv[RTE_DIM(options) + 1] = {0};
	cpu_set_t cpus;

	for (size_t i = 0; i < RTE_DIM(options); i++)
		argv[i] = (char *)(uintptr_t)options[i];
	sched_getaffinity(0, sizeof(cpus), &cpus);
	if (rte_eal_init((int)RTE_DIM(options), argv) < 0) {
		fprintf(stderr, "rte_eal_init: %s\n", rte_strerror(rte_errno));
		return -1;
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return 0;
}
