// SPDX-License-Identifier: BSD-3-Clause
// Attachments of a stream: to the dataplane and to control. Their messages checked, their memory
// mapped, their rings opened; nothing that they say is used before.
#pragma once

#include "common/abi/ring_place.h"
#include "common/abi/stream.h"

struct stream_media {
	struct tp_shm memory;
	int event_fd[2 * TP_MAX_WORKERS]; // ours, O_NONBLOCK
	size_t n_event_fds;
	uint16_t workers;
	uint32_t pid;
	struct tp_ring up[TP_MAX_WORKERS];   // we produce
	struct tp_ring down[TP_MAX_WORKERS]; // we consume
};

// A TP_MSG_STREAM_ATTACHED of `length` bytes. Takes ownership of every descriptor in `fds`, also on
// failure. 0; -EPROTO: it contradicts itself or us; -EPERM: memory that is not sealed; -errno of
// mmap. On failure `why` says in one sentence what is wrong.
int stream_media_open(const void *message, size_t length, const int *fds, size_t n_fds,
	struct stream_media *out, char why[TP_WHY_BYTES]);
void stream_media_close(struct stream_media *m);

struct stream_requests_rings {
	struct tp_shm memory;
	int event_fd[2];
	size_t n_event_fds;
	uint32_t pid;
	struct tp_ring request;  // we produce
	struct tp_ring response; // we consume
};

// The same of a TP_MSG_STREAM_CONTROL.
int stream_requests_rings_open(const void *message, size_t length, const int *fds, size_t n_fds,
	struct stream_requests_rings *out, char why[TP_WHY_BYTES]);
void stream_requests_rings_close(struct stream_requests_rings *r);
