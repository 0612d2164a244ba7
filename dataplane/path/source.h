// SPDX-License-Identifier: BSD-3-Clause
// Whether somebody can be at the source address of a packet.
#pragma once

#include "dataplane/path/state.h"

// An answer to an address that no client can have would be traffic that somebody forged:
// unspecified, loopback, multicast, broadcast (RFC 1122 section 3.2.1.3, RFC 4291 section 2.7),
// ours, of this machine, or all of a network's that it is in. Nor has a sender an Ethernet address
// of a group: that is where the answer would go while there is no route.
bool dp_source_possible(const struct dp_worker *w, const struct dp_packet *p);
