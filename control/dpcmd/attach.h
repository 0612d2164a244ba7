// SPDX-License-Identifier: BSD-3-Clause
// An attachment to the dataplane: its message checked, its memory mapped, its rings opened.
// Nothing that the message says is used before it was checked.
#pragma once

#include "common/abi/abi.h"
#include "common/abi/ring.h"
#include "common/abi/ring_place.h"
#include "common/abi/shm_map.h"

#define CTL_ATTACH_WHY_BYTES TP_WHY_BYTES

struct ctl_attachment {
	struct tp_attached said; // the message, checked
	struct tp_shm region;
	struct tp_shm rings;
	int event_fd[TP_ATTACHED_MAX_RINGS]; // ours, O_NONBLOCK
	size_t n_event_fds;
	struct tp_ring command; // we produce
	struct tp_ring ack;     // we consume
	struct tp_ring punt[TP_MAX_WORKERS];
	struct tp_ring inject[TP_MAX_WORKERS];
};

// Checks a TP_MSG_ATTACHED and opens what it describes. Takes ownership of every descriptor in
// `fds`, also on failure. 0; -EPROTO: the message contradicts itself or us; -EPERM: memory that is
// not sealed; -errno of mmap. On failure `why` says in one sentence what is wrong.
int ctl_attachment_open(const void *message, size_t length_bytes, const int *fds, size_t n_fds,
	struct ctl_attachment *out, char why[CTL_ATTACH_WHY_BYTES]);

void ctl_attachment_close(struct ctl_attachment *a);
