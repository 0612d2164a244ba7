// SPDX-License-Identifier: BSD-3-Clause
// What goes down to a stream process, written into the slots of its ring.
#pragma once

#include "common/abi/stream.h"
#include "dataplane/path/state.h"

static inline uint32_t dp_stream_slots_of(uint32_t bytes)
{
	return (bytes + TP_STREAM_SLOT_PAYLOAD - 1) / (uint32_t)TP_STREAM_SLOT_PAYLOAD;
}

bool dp_stream_has_room(struct tp_ring *down, uint32_t slots);

// Writes what stands before, the packet's payload and its padding behind the head of the first
// slot, into a ring that has room; the caller flushes it.
void dp_stream_write(struct tp_ring *down, const struct tp_stream_slot *head, const void *before,
	uint32_t before_bytes, const struct dp_packet *p);
