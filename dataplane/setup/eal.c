// SPDX-License-Identifier: BSD-3-Clause
// Starts DPDK: which cores, which memory. Private to the process (--in-memory), no PCI device.
#include "dataplane/setup/setup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_memory.h>

#include "common/base/log.h"
#include "dataplane/setup/lcores.h"
#include "dataplane/setup/pool.h"

#define EAL_HUGEPAGES_PATH "/sys/kernel/mm/hugepages"
#define EAL_FLOW_BYTES     192u  // two lines, its share of buckets and rings
#define EAL_ROUTE_BYTES    4096u // longest-prefix tables of both families
#define EAL_FIXED_MB       96u   // everything that no limit of the config scales
#define EAL_LEAST_MB       512u

// What rte_malloc and the pools will take, in MiB, roughly and not too low.
static uint64_t eal_need_mb(const struct conf *conf)
{
	uint64_t bytes = (uint64_t)conf->limits.mbufs * dp_pool_object_bytes(conf) +
			 (uint64_t)conf->limits.flows * EAL_FLOW_BYTES +
			 (uint64_t)conf->limits.routes * EAL_ROUTE_BYTES;

	return (bytes >> 20) + EAL_FIXED_MB;
}

static uint64_t eal_free_hugepages_mb(void)
{
	uint64_t kib = 0;
	DIR *dir = opendir(EAL_HUGEPAGES_PATH);

	if (!dir)
		return 0;
	for (struct dirent *e; (e = readdir(dir));) {
		char path[sizeof(EAL_HUGEPAGES_PATH) + sizeof(e->d_name) + 16];
		unsigned long size_kib, pages;
		if (sscanf(e->d_name, "hugepages-%lukB", &size_kib) != 1)
			continue;
		snprintf(path, sizeof(path), EAL_HUGEPAGES_PATH "/%s/free_hugepages", e->d_name);
		FILE *f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%lu", &pages) == 1)
			kib += pages * size_kib;
		fclose(f);
	}
	closedir(dir);
	return kib >> 10;
}

static void eal_check_workers(const struct conf *conf)
{
	for (size_t i = 0; i < conf->workers.n_cores; i++)
		for (size_t k = 0; k < i; k++)
			if (conf->workers.cores[i] == conf->workers.cores[k])
				tp_warning("workers.cores: core %u carries two workers, they will "
					   "slow "
					   "each other down",
					conf->workers.cores[i]);
}

int dp_eal_open(struct dp *dp)
{
	uint64_t need_mb = eal_need_mb(dp->conf), huge_mb = eal_free_hugepages_mb();
	cpu_set_t allowed;
	char lcores[1024], memory[24], log_level[24];
	int rc;

	dp->hugepages = huge_mb >= need_mb;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	if ((rc = dp_lcores(dp->conf, &allowed, lcores, sizeof(lcores))) < 0)
		return rc;
	eal_check_workers(dp->conf);
	snprintf(memory, sizeof(memory), "%lu", RTE_MAX(2 * need_mb, (uint64_t)EAL_LEAST_MB));
	snprintf(log_level, sizeof(log_level), "--log-level=*:%d",
		dp->conf->log_level >= CONF_LOG_DEBUG ? RTE_LOG_INFO : RTE_LOG_ERR);

	// --in-memory refuses --no-huge, whose memory is private anyway.
	const char *options[] = {"turnpike-dataplane",
		dp->hugepages ? "--in-memory" : "--no-shconf", "--iova-mode=va", "--no-pci",
		"--no-telemetry", "--main-lcore=0", "--lcores", lcores, log_level, "--no-huge",
		"-m", memory};
	char *argv[RTE_DIM(options) + 1] = {0};
	int argc = (int)RTE_DIM(options) - (dp->hugepages ? 3 : 0);
	for (int i = 0; i < argc; i++)
		argv[i] = (char *)(uintptr_t)options[i];
	if (!dp->hugepages)
		tp_warning(
			"packet memory without hugepages, which is slower: %lu MiB are free, about "
			"%lu MiB needed (sysctl vm.nr_hugepages=%lu)",
			huge_mb, need_mb, need_mb / 2 + 1);
	rte_openlog_stream(stderr);
	if (rte_eal_init(argc, argv) < 0) {
		rc = rte_errno ? -rte_errno : -EIO;
		tp_error("DPDK does not start: %s (workers.cores, memory, or permissions)",
			rte_strerror(-rc));
		return rc;
	}
	dp->tsc_hz = rte_get_tsc_hz();
	return 0;
}

bool dp_eal_owns(const void *address)
{
	return rte_mem_virt2memseg_list(address) != NULL;
}

void dp_eal_close(struct dp *dp)
{
	if (dp->tsc_hz)
		rte_eal_cleanup();
	dp->tsc_hz = 0;
}
