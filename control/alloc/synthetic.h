// SPDX-License-Identifier: BSD-3-Clause
// Synthetic allocations: made by the operator for packet generators, without any client. To the
// dataplane they are like all others. Here they are marked by a realm that no client can be of, and
// by that alone: they count in no quota, neither as created nor as ended, and a control whose
// policy does not allow them drops those that it finds.
#pragma once

#include "control/alloc/numbering.h"
#include "control/alloc/store.h"

// Index of their realm in requests, and its tag in records.
#define CTL_REALM_SYNTHETIC UINT16_MAX
#define CTL_TAG_SYNTHETIC   UINT64_C(0x7379746e68657469) // "synthetic", no hash of a name
#define CTL_USER_SYNTHETIC  "synthetic"

static inline bool ctl_synthetic(const struct tp_alloc_record *record)
{
	return record->realm_tag == CTL_TAG_SYNTHETIC;
}

struct ctl_synthetic_wish {
	uint32_t allocations;
	uint32_t peers, channels;  // of each, powers of two
	struct tp_ip client, peer; // first addresses
	struct tp_addr listener;   // family none: the first one for IPv4 and UDP
	struct tp_ip relay;        // entry of relay.addresses; family none: the first with room
	uint8_t relay_bits;        // its prefix length
};

#define CTL_SYNTHETIC_WHY_BYTES 160

// The numbering of a wish. 0, or -EINVAL with `why` filled.
int ctl_synthetic_plan(const struct ctl_store *store, const struct ctl_synthetic_wish *wish,
	struct ctl_numbering *out, char why[CTL_SYNTHETIC_WHY_BYTES]);

// How many commands one allocation takes at most.
uint32_t ctl_synthetic_commands(const struct ctl_numbering *n);

// Makes the allocation of that number with its permissions and channels, whose deadlines are the
// same; ALLOC_SET, PERMISSION_SET, CHANNEL_SET, of which *last is the last one's sequence. 0;
// -EADDRINUSE its relayed address is taken, or rests; -EEXIST its five-tuple is a client's;
// -ENOSPC no record is left; -ENOBUFS no room for its commands. Errors may leave a part of it.
int ctl_synthetic_make(struct ctl_store *store, const struct ctl_numbering *n, uint32_t allocation,
	uint32_t lifetime_s, struct ctl_time now, uint64_t *last);

// Ends one; ALLOC_DELETE. Its relay port is free at once. 0, -ENOENT no synthetic one,
// -ENOBUFS.
int ctl_synthetic_end(
	struct ctl_store *store, struct tp_alloc_ref ref, struct ctl_time now, uint64_t *last);
