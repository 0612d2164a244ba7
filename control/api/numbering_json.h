// SPDX-License-Identifier: BSD-3-Clause
// The numbering of synthetic allocations as JSON: what `provision` answers, and what turnpike-bench
// makes frames from. Beside the values it says the formula in words.
#pragma once

#include <jansson.h>

#include "control/alloc/numbering.h"

// The caller owns it.
json_t *ctl_numbering_json(const struct ctl_numbering *n);
// Reads the values, of any origin. 0, or -EINVAL when they are missing or make no numbering.
int ctl_numbering_from_json(const json_t *o, struct ctl_numbering *out);
