// SPDX-License-Identifier: BSD-3-Clause
// A datagram that somebody behind a ring wants sent.
#pragma once

#include "common/abi/punt.h"
#include "dataplane/path/state.h"

// Appends it to the batch as FORWARD. False, and nothing done, when it makes no sense or there is
// no packet memory. Its addresses and length are a copy that nobody else writes to.
bool dp_inject_append(struct dp_worker *w, struct dp_batch *b, const struct tp_inject *in,
	const uint8_t *payload);
