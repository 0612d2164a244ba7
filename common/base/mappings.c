// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/mappings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// A guard is a page, or what a service manager's limits make of it.
#define GUARD_MAX_BYTES (64u << 10)
#define LOOK_PAGES      4096u

// "7f30-7f40 rw-s 00000000 00:01 1029 /memfd:turnpike-rings (deleted)". False: no such line.
static bool read_head(const char *line, struct tp_mapping *m)
{
	unsigned long start, end, inode;
	char permissions[5];
	int at = 0;

	if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu %n", &start, &end, permissions, &inode,
		    &at) != 4)
		return false;
	*m = (struct tp_mapping){.start = start,
		.end = end,
		.readable = permissions[0] == 'r',
		.writable = permissions[1] == 'w',
		.executable = permissions[2] == 'x',
		.shared = permissions[3] == 's',
		.file = inode != 0};
	snprintf(m->name, sizeof(m->name), "%.*s", (int)strcspn(line + at, "\n"), line + at);
	return true;
}

// A line of the form "Rss:    12 kB".
static bool read_kilobytes(const char *line, const char *key, uint64_t *bytes)
{
	size_t length = strlen(key);
	unsigned long kib;

	if (strncmp(line, key, length) != 0 || line[length] != ':' ||
		sscanf(line + length + 1, "%lu kB", &kib) != 1)
		return false;
	*bytes = (uint64_t)kib << 10;
	return true;
}

static bool is_guard(const struct tp_mapping *m)
{
	return !m->readable && !m->writable && !m->executable && !m->file &&
	       m->end - m->start <= GUARD_MAX_BYTES;
}

int tp_mappings_read(FILE *smaps, tp_mapping_fn each, void *context)
{
	struct tp_mapping m = {0}, next;
	size_t capacity = 0;
	char *line = NULL;
	bool any = false;
	uint64_t bytes;

	while (getline(&line, &capacity, smaps) > 0) {
		if (read_head(line, &next)) {
			next.above_guard = any && m.end == next.start && is_guard(&m);
			if (any)
				each(context, &m);
			m = next;
			any = true;
		} else if (!any) {
			break;
		} else if (read_kilobytes(line, "Rss", &bytes)) {
			m.resident_bytes += bytes;
		} else if (read_kilobytes(line, "Shared_Hugetlb", &bytes) ||
			   read_kilobytes(line, "Private_Hugetlb", &bytes)) {
			m.resident_bytes += bytes;
			m.hugetlb_bytes += bytes;
		}
	}
	free(line);
	if (any)
		each(context, &m);
	if (ferror(smaps))
		return -EIO;
	return any ? 0 : -EPROTO;
}

int tp_resident_read(FILE *status, uint64_t *resident_bytes, uint64_t *hugetlb_bytes)
{
	bool resident = false, hugetlb = false;
	char line[256];

	while (fgets(line, sizeof(line), status)) {
		resident = resident || read_kilobytes(line, "VmRSS", resident_bytes);
		hugetlb = hugetlb || read_kilobytes(line, "HugetlbPages", hugetlb_bytes);
	}
	if (!hugetlb) // a kernel without them
		*hugetlb_bytes = 0;
	return resident ? 0 : -EPROTO;
}

uint64_t tp_resident_bytes(const void *block, size_t bytes)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const uintptr_t from = (uintptr_t)block, to = from + bytes;
	unsigned char there[LOOK_PAGES];
	uint64_t sum = 0;

	for (uintptr_t at = from & ~(page - 1); at < to; at += LOOK_PAGES * page) {
		size_t pages = (to - at + page - 1) / page;
		pages = pages < LOOK_PAGES ? pages : LOOK_PAGES;
		if (mincore((void *)at, pages * page, there) < 0)
			continue;
		for (size_t i = 0; i < pages; i++) {
			uintptr_t first = at + i * page, last = first + page;
			if (there[i] & 1)
				sum += (last < to ? last : to) - (first > from ? first : from);
		}
	}
	return sum;
}
