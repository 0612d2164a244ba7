// SPDX-License-Identifier: BSD-3-Clause
#include "common/abi/memory.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "common/base/mappings.h"

struct part_text {
	const char *name, *help;
};

static const struct part_text parts[] = {
#define TP_MEMORY(name, help) {#name, help},
#include "common/abi/memory.def"
#undef TP_MEMORY
};

const char *tp_memory_part_name(unsigned int part)
{
	return part < TP_MEMORY_PARTS ? parts[part].name : NULL;
}

const char *tp_memory_part_help(unsigned int part)
{
	return part < TP_MEMORY_PARTS ? parts[part].help : NULL;
}

struct measure {
	struct tp_memory *out;
	bool (*dpdk)(const void *address);
};

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static enum tp_memory_part part_of(const struct measure *measure, const struct tp_mapping *m)
{
	// tp_shm_create() gave the memfds their names.
	if (begins(m->name, "/memfd:turnpike-sessions"))
		return TP_MEMORY_region;
	if (begins(m->name, "/memfd:turnpike-rings"))
		return TP_MEMORY_rings;
	if (measure->dpdk && measure->dpdk((const void *)m->start))
		return TP_MEMORY_dpdk;
	if (begins(m->name, "[stack") || (m->name[0] == '\0' && m->above_guard))
		return TP_MEMORY_stacks;
	if (begins(m->name, "[heap]") || (m->name[0] == '\0' && !m->shared))
		return m->executable ? TP_MEMORY_code : TP_MEMORY_heap;
	if (m->file && !m->shared)
		return TP_MEMORY_code;
	return begins(m->name, "[v") ? TP_MEMORY_code : TP_MEMORY_other;
}

static void add_mapping(void *context, const struct tp_mapping *m)
{
	struct measure *measure = context;

	measure->out->part_bytes[part_of(measure, m)] += m->resident_bytes;
}

int tp_memory_measure(struct tp_memory *out, bool (*dpdk)(const void *address))
{
	struct measure measure = {.out = out, .dpdk = dpdk};
	FILE *status, *smaps = NULL;
	int rc;

	memset(out, 0, sizeof(*out));
	status = fopen("/proc/self/status", "re");
	if (status)
		smaps = fopen("/proc/self/smaps", "re");
	rc = smaps ? 0 : -errno;
	if (rc == 0)
		rc = tp_mappings_read(smaps, add_mapping, &measure);
	if (rc == 0)
		rc = tp_resident_read(status, &out->resident_bytes, &out->hugetlb_bytes);
	if (smaps)
		fclose(smaps);
	if (status)
		fclose(status);
	return rc;
}

static void move(
	struct tp_memory *m, enum tp_memory_part from, enum tp_memory_part to, uint64_t bytes)
{
	// What was touched since the mappings were read is in none of them.
	if (bytes > m->part_bytes[from])
		bytes = m->part_bytes[from];
	m->part_bytes[from] -= bytes;
	m->part_bytes[to] += bytes;
}

void tp_memory_block(struct tp_memory *m, enum tp_memory_part part, enum tp_memory_part whole,
	const void *block, size_t bytes)
{
	if (block)
		move(m, whole, part, tp_resident_bytes(block, bytes));
}

void tp_memory_split_heap(struct tp_memory *m)
{
	move(m, TP_MEMORY_heap, TP_MEMORY_heap_free, mallinfo2().fordblks);
}
