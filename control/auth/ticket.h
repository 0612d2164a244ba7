// SPDX-License-Identifier: BSD-3-Clause
// Mobility tickets (RFC 8016 sections 3.1.2 and 5): encrypted and authenticated, always of one
// length, short enough for any path (RFC 8489 section 6.1). Text, and of 32 characters, because
// coturn's client keeps no others.
//
//   base64 of   0   tag (12): HMAC-SHA-256 over what the ticket says, cut
//               12  sealed: index (4), generation (4), counter (4), under a stream that
//                   HMAC-SHA-256 makes of the tag
//
// This is the shape of RFC 5297 (SIV): the tag is the initialisation vector, so nothing random is
// needed, and two tickets have the same stream only where they say the same. Both keys come from
// the region's 32 random bytes, by label.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/abi/abi.h"
#include "control/auth/integrity.h"

#define CTL_TICKET_CHARS     32
#define CTL_TICKET_KEY_BYTES 32

// What a ticket says: nothing of it may be believed before ctl_ticket_open says so. No two
// allocations of a region (of a key) have the same index and generation.
struct ctl_ticket {
	struct tp_alloc_ref alloc;
	uint32_t counter; // of the allocation's tickets
};

// Writes CTL_TICKET_CHARS, without a terminator. 0, -EIO.
int ctl_ticket_seal(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const struct ctl_ticket *ticket, uint8_t out[CTL_TICKET_CHARS]);

// Whether this text (from a stranger) is a ticket sealed with this key; *out is written only then.
bool ctl_ticket_open(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t *text, size_t len, struct ctl_ticket *out);
