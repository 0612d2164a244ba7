// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/draw.h"

#include <errno.h>
#include <string.h>

#include "common/base/hash.h"

#define DRAW_TRIES 64 // each rejects with a chance below one half

static int system_bytes(void *context, void *out, size_t len)
{
	(void)context;
	return tp_random_bytes(out, len);
}

struct ctl_random ctl_random_system(void)
{
	return (struct ctl_random){.bytes = system_bytes};
}

int ctl_draw_bytes(struct ctl_draw *draw, void *out, size_t len)
{
	if (len > sizeof(draw->pool))
		return draw->random.bytes(draw->random.context, out, len);
	if (draw->left < len) {
		int rc = draw->random.bytes(draw->random.context, draw->pool, sizeof(draw->pool));
		if (rc)
			return rc;
		draw->left = sizeof(draw->pool);
	}
	uint8_t *from = draw->pool + sizeof(draw->pool) - draw->left;
	memcpy(out, from, len);
	memset(from, 0, len); // what was given away is not kept
	draw->left -= len;
	return 0;
}

int ctl_draw_below(struct ctl_draw *draw, uint32_t below, uint32_t *out)
{
	// Numbers of the incomplete last copy of [0, below) would favour small results.
	uint32_t reject_from = UINT32_MAX - UINT32_MAX % below;
	for (int i = 0; i < DRAW_TRIES; i++) {
		uint32_t v;
		int rc = ctl_draw_bytes(draw, &v, sizeof(v));
		if (rc)
			return rc;
		if (v < reject_from) {
			*out = v % below;
			return 0;
		}
	}
	return -EIO;
}
