// SPDX-License-Identifier: BSD-3-Clause
// What the resident memory of a process is made of, by name: each daemon measures itself, the
// dataplane says it on TP_MSG_MEMORY, control on its own socket.
#pragma once

#include "common/abi/abi.h"

enum tp_memory_part {
#define TP_MEMORY(name, help) TP_MEMORY_##name,
#include "common/abi/memory.def"
#undef TP_MEMORY
	TP_MEMORY_PARTS,
};

// Places reserved in the message, so that new parts do not change its size.
#define TP_MEMORY_PLACES 32
static_assert(TP_MEMORY_PARTS <= TP_MEMORY_PLACES);

struct tp_memory {
	uint64_t resident_bytes; // VmRSS: small pages, shared ones included
	uint64_t hugetlb_bytes;  // HugetlbPages: the kernel does not count them as resident
	uint64_t part_bytes[TP_MEMORY_PLACES]; // add up to the sum of both
};

// ---- TP_MSG_MEMORY, any role that may ask for the status; the question is a header alone.

struct tp_memory_reply {
	struct tp_message_header header;
	uint32_t pid;
	uint32_t parts; // places that are filled
	// Pages that the session region has, whichever process touched them. Both may map all of
	// them: they are memory once, and resident twice.
	uint64_t region_bytes;
	struct tp_memory memory;
};
static_assert(sizeof(struct tp_memory) == 16 + 8 * TP_MEMORY_PLACES);
static_assert(sizeof(struct tp_memory_reply) == 32 + sizeof(struct tp_memory));

// "packets"; NULL beyond the last one.
const char *tp_memory_part_name(unsigned int part);
const char *tp_memory_part_help(unsigned int part);

// Measures the calling process: every mapping is of the part that its kind says. `dpdk` (NULL:
// there is none) says which addresses are DPDK's. 0 or -errno.
int tp_memory_measure(struct tp_memory *out, bool (*dpdk)(const void *address));

// Then: a block of private memory is of this part; it was counted as `whole`, heap or dpdk.
void tp_memory_block(struct tp_memory *m, enum tp_memory_part part, enum tp_memory_part whole,
	const void *block, size_t bytes);

// At last: what malloc holds free is no longer counted as used.
void tp_memory_split_heap(struct tp_memory *m);
