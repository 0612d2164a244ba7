// SPDX-License-Identifier: BSD-3-Clause
// What a daemon's memory is made of as JSON: control's own in control, the dataplane's in
// turnpikectl.
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "common/abi/memory.h"

// Reads a TP_MSG_MEMORY_REPLY of any minor version. 0; -EOPNOTSUPP: refused, by a dataplane that
// knows no such question; -EPROTO: it is none.
int ctl_memory_read(const void *message, size_t length_bytes, struct tp_memory_reply *out);

// {"resident_bytes": n, "hugetlb_bytes": n, "parts": {"heap": n, ...}, "unexplained_bytes": n}; the
// last is what the parts lack of the sum of the first two, negative when they are too much. Parts
// without a byte are left out. The caller owns it.
json_t *ctl_memory_json(const struct tp_memory *memory);
