// SPDX-License-Identifier: BSD-3-Clause
// Whether somebody can be at the source address of a packet.
#pragma once

#include "dataplane/path/state.h"

// An answer to an address that no client can have would be traffic that somebody forged:
// unspecified, loopback, multicast, broadcast (RFC 1122 section 3.2.1.3, RFC 4291 section 2.7),
// ours, of this machine, or all of a network's that it is in. Nor has a sender an Ethernet address
// of a group: that is where the answer would go while there is no route.
// `ip`: 16 bytes; `ether`: its frame.
bool dp_source_possible_at(
	const struct dp_worker *w, uint8_t family, const uint8_t *ip, const uint8_t *ether);

static inline bool dp_source_possible(const struct dp_worker *w, const struct dp_packet *p)
{
	return dp_source_possible_at(w, p->in.family, p->key.ip, dp_packet_at(p, 0));
}
