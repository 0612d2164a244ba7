// SPDX-License-Identifier: BSD-3-Clause
// Session regions of this layout and of the one before it: how large each is, and the records of
// one copied to another. What is copied is not looked at: whoever adopts it does (record.h).
#pragma once

#include <stdbool.h>

#include "common/abi/record.h"

// An allocation's record of layout 1, up to ABI 1.1: all up to and with `stream`. A client could
// not move onto a connection. Records of the other kinds were the same.
#define TP_ALLOC_LAYOUT_BEFORE       1
#define TP_ALLOC_RECORD_BYTES_BEFORE 448

// What a region has room for. The size of the memory says which layout its records have.
struct tp_region_shape {
	uint32_t allocations, peers, names;
	uint32_t alloc_record_bytes; // sizeof(struct tp_alloc_record), or ..._BEFORE
};

// Whether records of allocations of that size are ones of a layout that we know.
bool tp_alloc_record_known(uint32_t bytes);

uint64_t tp_region_shape_bytes(const struct tp_region_shape *shape);

// The shape of a region of exactly that many bytes with the capacities of this header. 0; -EINVAL:
// they do not make that size in any layout that we know.
int tp_region_shape_of(
	const struct tp_region_header *header, uint64_t bytes, struct tp_region_shape *out);

// Copies the records of the region in `from` that have a place, index by index, and the page of its
// header but not the capacities, into an empty region. `from` is a file of the size of its shape
// and is not changed, so whoever dies in the middle has lost nothing. Records of allocations change
// their layout when the shapes say so: what layout 1 cannot say, a move onto a connection, is given
// up, and a record of a layout that is not that of its shape stays as it is. Pages that were never
// written cost nothing on either side. 0, -errno.
int tp_region_copy(
	int from, const struct tp_region_shape *had, void *to, const struct tp_region_shape *has);
