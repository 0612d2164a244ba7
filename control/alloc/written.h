// SPDX-License-Identifier: BSD-3-Clause
// Which parts of the session region were ever written. Reading a page that was not makes the kernel
// give it one of its own, so whoever walks all records would pay for the whole capacity.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ctl_written {
	int fd;         // of the region's file; 0 or less: not known, all counts as written
	uint64_t asked; // from here on
	uint64_t data, hole,
		next; // nothing was written before `data`, all up to `hole`, nothing up to `next`
};

// Forgets what is known: to be called before a walk, since something was written meanwhile.
void ctl_written_anew(struct ctl_written *w);
// Whether anything of these bytes of the file was written, in doubt true. Cheap when asked in
// order.
bool ctl_written(struct ctl_written *w, uint64_t offset, uint64_t bytes);
