// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "bench/micro/env.h"

#define HUGEPAGE_MB 2
#define SPARE_MB    32 // EAL takes a little more than it is asked for

static uint32_t free_hugepages_mb(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	unsigned int pages = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%u", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * HUGEPAGE_MB;
}

static void read_cpu_model(struct bench_env *env)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(env->cpu_model, sizeof(env->cpu_model), "unknown");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f) != NULL) {
		const char *value = strchr(line, ':');
		if (strncmp(line, "model name", 10) != 0 || value == NULL)
			continue;
		snprintf(env->cpu_model, sizeof(env->cpu_model), "%.70s", value + 2);
		env->cpu_model[strcspn(env->cpu_model, "\n\"\\")] = '\0';
		break;
	}
	fclose(f);
}

// The last CPU that we may run on: the first one serves most interrupts.
static uint32_t choose_cpu(void)
{
	cpu_set_t allowed;
	uint32_t chosen = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return 0;
	for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			chosen = cpu;
	}
	return chosen;
}

bool bench_env_room(uint32_t megabytes)
{
	return free_hugepages_mb() >= megabytes + SPARE_MB;
}

int bench_env_open(struct bench_env *env, uint32_t megabytes, bool small_pages)
{
	char memory[16], lcore[16];

	env->cpu = choose_cpu();
	env->hugepages = !small_pages && bench_env_room(megabytes);
	snprintf(memory, sizeof(memory), "%u", megabytes);
	snprintf(lcore, sizeof(lcore), "%u", env->cpu);
	const char *options[] = {"bench", "-m", memory, "-l", lcore, "--no-pci", "--no-telemetry",
		"--iova-mode=va", "--log-level=lib.eal:4",
		env->hugepages ? "--in-memory" : "--no-shconf",
		env->hugepages ? "--single-file-segments" : "--no-huge"};
	char *argv[RTE_DIM(options) + 1] = {0};
	for (size_t i = 0; i < RTE_DIM(options); i++)
		argv[i] = (char *)(uintptr_t)options[i];
	if (rte_eal_init((int)RTE_DIM(options), argv) < 0) {
		fprintf(stderr, "bench: EAL: %s\n", rte_strerror(rte_errno));
		return -EIO;
	}
	env->tsc_hz = rte_get_tsc_hz();
	read_cpu_model(env);
	return 0;
}

void bench_env_print(const struct bench_env *env, FILE *out)
{
	fprintf(out, "label: function (no port)\n");
	fprintf(out, "machine: %s, TSC %.2f GHz, cpu %u, %s\n", env->cpu_model,
		(double)env->tsc_hz / 1e9, env->cpu,
		env->hugepages ? "2 MiB hugepages" : "4 KiB pages (no hugepages were free)");
}

void bench_env_json(const struct bench_env *env, FILE *out)
{
	fprintf(out, "\"label\": \"function\", \"cpu_model\": \"%s\", \"tsc_hz\": %llu, ",
		env->cpu_model, (unsigned long long)env->tsc_hz);
	fprintf(out, "\"cpu\": %u, \"hugepages\": %s", env->cpu, env->hugepages ? "true" : "false");
}
