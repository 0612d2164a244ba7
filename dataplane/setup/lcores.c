// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/lcores.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_config.h>

#include "common/base/log.h"

static int take_workers(const struct conf *conf, const cpu_set_t *allowed, cpu_set_t *others)
{
	*others = *allowed;
	for (size_t i = 0; i < conf->workers.n_cores; i++) {
		uint32_t cpu = conf->workers.cores[i];
		if (cpu >= RTE_MAX_LCORE || !CPU_ISSET(cpu, allowed)) {
			tp_error("workers.cores.%zu: this process may not run on core %u (see "
				 "taskset -p %d)",
				i, cpu, (int)getpid());
			return -EINVAL;
		}
		CPU_CLR(cpu, others);
	}
	if (CPU_COUNT(others) == 0)
		*others = *allowed;
	return 0;
}

int dp_lcores(const struct conf *conf, const cpu_set_t *allowed, char *out, size_t size)
{
	cpu_set_t others;
	size_t n = 0;
	int rc = take_workers(conf, allowed, &others);

	if (rc < 0)
		return rc;
	for (int cpu = 0; cpu < RTE_MAX_LCORE; cpu++)
		if (CPU_ISSET(cpu, &others) && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%d", n ? "," : "0@(", cpu);
	for (size_t i = 0; i < conf->workers.n_cores && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s,%zu@%u", i ? "" : ")", i + 1,
			conf->workers.cores[i]);
	return n < size ? 0 : -E2BIG;
}
