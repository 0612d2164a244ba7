// SPDX-License-Identifier: BSD-3-Clause
#include <dirent.h>
#include <inttypes.h>

#include "bench/stream/streams.h"
#include "common/base/clock.h"

// What all threads of a process ran, as the scheduler counts it.
static uint64_t cpu_ns(int pid)
{
	char path[320];
	uint64_t sum = 0, ns;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	while (tasks && (e = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, e->d_name);
		FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fscanf(f, "%" SCNu64, &ns) == 1)
			sum += ns;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return sum;
}

static uint64_t memory_bytes(int pid)
{
	char path[64], line[128];
	uint64_t kib = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

void streams_spent_now(const struct streams *s, struct streams_spent *out)
{
	const struct streams_options *o = &s->options;

	*out = (struct streams_spent){.now_ns = tp_now_ns(),
		.reached_up = s->reached_up,
		.reached_down = s->reached_down};
	for (uint32_t i = 0; i < o->n_pids; i++)
		out->cpu_ns[i] = cpu_ns(o->pids[i]);
	for (uint32_t i = 0; i < o->n_pids; i++)
		out->memory_bytes[i] = memory_bytes(o->pids[i]);
}

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int octave = ns < 16 ? 4 : 63 - (unsigned int)__builtin_clzll(ns);

	return ns < 16 ? (unsigned int)ns : octave * 16 + (unsigned int)(ns >> (octave - 4) & 15);
}

void streams_times_add(struct streams_times *t, uint64_t ns)
{
	t->count[bucket_of(ns)]++;
	t->total++;
	t->most_ns = ns > t->most_ns ? ns : t->most_ns;
}

double streams_times_ms(const struct streams_times *t, double share)
{
	uint64_t below = 0;

	for (unsigned int b = 0; b < STREAMS_BUCKETS; b++) {
		below += t->count[b];
		if (t->total > 0 && (double)below >= share * (double)t->total)
			return b < 64 ? (double)b / 1e6
				      : (double)((16 + b % 16 + 1) *
						 (UINT64_C(1) << (b / 16 - 4))) /
						1e6;
	}
	return 0;
}
