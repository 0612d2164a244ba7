// SPDX-License-Identifier: BSD-3-Clause
// A session region that somebody kept while no daemon ran: looked at like any stranger's memory
// before it is used, and copied where the configuration wants another size.
#pragma once

#include "common/abi/record.h"

#define REGION_WHY_BYTES 160

struct region_capacities {
	uint32_t allocations, peers, names;
};

static inline uint64_t region_capacities_bytes(const struct region_capacities *c)
{
	return tp_region_bytes(c->allocations, c->peers, c->names);
}

// Whether `fd` is a session region of this version: memory that nobody can cut or grow, a header
// that fits its size. Nothing is mapped. 0 and its capacities; -EINVAL, and `why` says what is
// wrong in one sentence. The descriptor stays the caller's.
int dp_region_check(int fd, struct region_capacities *out, char why[REGION_WHY_BYTES]);

// Copies header page and records of a region that passed dp_region_check, those that have a place,
// index by index, to an empty region. Pages that were never written cost nothing on either side.
// What is not whole or not consistent afterwards, control drops. 0, -errno.
int dp_region_copy(int from, const struct region_capacities *had, void *to,
	const struct region_capacities *has);
