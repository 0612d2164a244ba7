// SPDX-License-Identifier: BSD-3-Clause
// What a peer says about the memory and the rings that it shares, checked before any of it is used,
// and opened. The same for everybody who attaches to somebody.
#pragma once

#include "common/abi/abi.h"
#include "common/abi/ring.h"
#include "common/abi/shm_map.h"

#define TP_WHY_BYTES 160

// A kind of ring that the peer has to name: once, or once for each worker.
struct tp_ring_wanted {
	uint16_t kind;
	bool per_worker;
	uint32_t slot_bytes;
};

struct tp_rings_said {
	const struct tp_ring_place *place;
	unsigned int n;
	uint16_t workers;
	uint64_t memory_bytes;
	size_t first_event_fd, n_fds; // of the message's descriptors
	const struct tp_ring_wanted *wanted;
	size_t n_wanted;
};

// Writes one sentence on what is wrong; -EPROTO.
__attribute__((format(printf, 2, 3))) int tp_attach_wrong(
	char why[TP_WHY_BYTES], const char *format, ...);

// Whether each ring is one that is wanted, lies in the memory, names a descriptor, and is neither
// there twice nor over another. 0 or -EPROTO.
int tp_rings_check(const struct tp_rings_said *said, char why[TP_WHY_BYTES]);

// tp_shm_open() that says what is wrong. `what`: "ring memory".
int tp_attach_memory(
	int fd, uint64_t bytes, const char *what, struct tp_shm *out, char why[TP_WHY_BYTES]);

// Makes eventfds never block, whatever the peer set. `first`: their place in the message. 0 or
// -EPROTO; takes no ownership.
int tp_attach_event_fds(const int *fds, size_t n, size_t first, char why[TP_WHY_BYTES]);
