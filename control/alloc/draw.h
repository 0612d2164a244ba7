// SPDX-License-Identifier: BSD-3-Clause
// Uniform random numbers out of an injected CSPRNG, bought in blocks.
#pragma once

#include "control/alloc/environment.h"

struct ctl_draw {
	struct ctl_random random;
	size_t left;
	uint8_t pool[256];
};

// Fills out[len]. 0 or -errno of the source.
int ctl_draw_bytes(struct ctl_draw *draw, void *out, size_t len);

// Uniform in [0, below), below > 0. 0, -errno of the source, -EIO when it only gives numbers that
// must be rejected.
int ctl_draw_below(struct ctl_draw *draw, uint32_t below, uint32_t *out);
