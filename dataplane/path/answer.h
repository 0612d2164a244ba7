// SPDX-License-Identifier: BSD-3-Clause
// An answer of a worker in the buffer of its request: STUN back to the source, from the listener.
#pragma once

#include "dataplane/path/steps.h"

// Makes the packet one segment with room for `most` bytes of payload and returns where they go;
// NULL without room, and nothing changed. The headers of the request stay: encap replaces them.
// Whatever of the payload is still needed is the caller's to copy before.
uint8_t *dp_answer_begin(struct dp_packet *p, uint32_t most);

// Sends `length` bytes of what was begun: -> FORWARD.
void dp_answer_send(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p, uint32_t length);
