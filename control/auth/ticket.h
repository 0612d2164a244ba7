// SPDX-License-Identifier: BSD-3-Clause
// Mobility tickets (RFC 8016 sections 3.1.2 and 5): encrypted and authenticated with AES-256-GCM,
// always of one length, short enough for any path (RFC 8489 section 6.1).
//
//   0   format, 1      3 bytes of zero        authenticated as they are
//   4   nonce, 24 random bytes
//   28  sealed: unique id (16), index (4), generation (4), counter (4), seconds of issue (8)
//   64  tag (16)
//
// Each ticket has a key of its own: HMAC-SHA-256 under the region's key, over a label and the first
// 12 bytes of the nonce. The other 12 are the IV of GCM, so that no number of tickets wears the key
// out.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/abi/abi.h"
#include "control/auth/integrity.h"

#define CTL_TICKET_BYTES     80
#define CTL_TICKET_KEY_BYTES 32

// What a ticket says: nothing of it may be believed before ctl_ticket_open says so.
struct ctl_ticket {
	uint8_t uid[16]; // of the allocation
	struct tp_alloc_ref alloc;
	uint32_t counter;       // of the allocation's tickets
	uint64_t issued_wall_s; // wall clock
};

// Writes CTL_TICKET_BYTES; `nonce` are 24 fresh random bytes. 0, -EIO.
#define CTL_TICKET_NONCE_BYTES 24
int ctl_ticket_seal(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t nonce[CTL_TICKET_NONCE_BYTES], const struct ctl_ticket *ticket,
	uint8_t out[CTL_TICKET_BYTES]);

// Whether these bytes (from a stranger) are a ticket sealed with this key; *out is written only
// then.
bool ctl_ticket_open(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t *bytes, size_t len, struct ctl_ticket *out);
