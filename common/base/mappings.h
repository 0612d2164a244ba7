// SPDX-License-Identifier: BSD-3-Clause
// What this process has resident, mapping by mapping, as the kernel tells it (proc(5): smaps,
// status). Reading costs a walk over the page tables, about a millisecond for 100 MB: not for a
// worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TP_MAPPING_NAME_BYTES 128

struct tp_mapping {
	uintptr_t start, end;
	uint64_t resident_bytes; // small pages and huge ones of its hugetlbfs
	uint64_t hugetlb_bytes;  // the latter alone; the kernel leaves them out of VmRSS
	bool readable, writable, executable, shared;
	bool file;        // of a file that has an inode, memfds included
	bool above_guard; // right above a page that nobody may touch, as a thread's stack is
	char name[TP_MAPPING_NAME_BYTES]; // cut off; "" of anonymous memory
};

typedef void (*tp_mapping_fn)(void *context, const struct tp_mapping *mapping);

// Calls `each` for every mapping of a file like /proc/self/smaps, in order. 0, -EPROTO when it is
// none, or -errno.
int tp_mappings_read(FILE *smaps, tp_mapping_fn each, void *context);

// VmRSS and HugetlbPages of a file like /proc/self/status. 0 or -EPROTO.
int tp_resident_read(FILE *status, uint64_t *resident_bytes, uint64_t *hugetlb_bytes);

// How much of a block of ours is resident; 0 where nothing is mapped. For private memory: of a
// file's it is the pages that the file has, whoever touched them.
uint64_t tp_resident_bytes(const void *block, size_t bytes);
