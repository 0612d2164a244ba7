// SPDX-License-Identifier: BSD-3-Clause
// Binding requests of clients of RFC 3489 ("classic STUN"), which know no magic cookie: their
// transaction ID is 16 bytes long (section 11.1). Nothing else of that RFC is read. stun_read
// refuses these messages; whoever wants them asks here, after it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STUN_CLASSIC_RESPONSE_ADDRESS UINT16_C(0x0002) // section 11.2.2
#define STUN_CLASSIC_SOURCE_ADDRESS   UINT16_C(0x0004) // section 11.2.5
#define STUN_CLASSIC_CHANGED_ADDRESS  UINT16_C(0x0005) // section 11.2.3
#define STUN_CLASSIC_UNKNOWN_MAX      8

struct stun_classic {
	const uint8_t *transaction_id; // 16 bytes, in the request
	bool has_change;
	uint32_t change; // of CHANGE-REQUEST (section 11.2.4)
	// Mandatory attributes (below 0x8000) other than CHANGE-REQUEST, each once, the first ones.
	uint16_t unknown[STUN_CLASSIC_UNKNOWN_MAX];
	uint32_t n_unknown;
};

// Whether these bytes are one: type Binding request, Message Length right and a multiple of 4, no
// magic cookie, attributes (whose lengths are multiples of 4 in that RFC) that tile it exactly, and
// a CHANGE-REQUEST of 4 bytes if any. `out` points into `data`. Any alignment.
bool stun_classic_read(const void *data, size_t len, struct stun_classic *out);
