// SPDX-License-Identifier: BSD-3-Clause
// A session region that somebody kept while no daemon ran: looked at like any stranger's memory
// before it is used.
#pragma once

#include "common/abi/region.h"

#define REGION_WHY_BYTES 160

// Whether `fd` is a session region of this version or of the one before: memory that nobody can cut
// or grow, a header that fits its size. Nothing is mapped. 0 and its shape; -EINVAL, and `why` says
// what is wrong in one sentence. The descriptor stays the caller's.
int dp_region_check(int fd, struct tp_region_shape *out, char why[REGION_WHY_BYTES]);
