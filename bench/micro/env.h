// SPDX-License-Identifier: BSD-3-Clause
// What every function benchmark stands on: EAL without devices, pinned to one CPU; and what is
// printed about the machine, because a figure without it says nothing.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bench_env {
	bool hugepages;
	uint32_t cpu;
	uint64_t tsc_hz;
	char cpu_model[80];
};

// Whether so much memory is free in hugepages.
bool bench_env_room(uint32_t megabytes);
// Hugepages when `megabytes` of them are free, else ordinary memory (more TLB misses; it is
// printed), which is also what `small_pages` asks for. 0, or -errno after a message.
int bench_env_open(struct bench_env *env, uint32_t megabytes, bool small_pages);
void bench_env_print(const struct bench_env *env, FILE *out);
// The same as members of a JSON object, without braces.
void bench_env_json(const struct bench_env *env, FILE *out);
