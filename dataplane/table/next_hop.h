// SPDX-License-Identifier: BSD-3-Clause
// Next hops: what a worker needs to put an Ethernet header on. A flow and a route hold an index.
// A neighbour change is one aligned store; everything else of an entry is fixed while it is in use.
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "common/base/addr.h"

#define DP_NEXT_HOP_NONE 0 // index 0 is never resolved: a packet to it is a no_route drop
#define DP_NEXT_HOP_MAX  16384

struct dp_next_hop {
	// bytes 0..5 destination MAC, byte 6: 1 when resolved. One store: w: manager r: workers.
	_Atomic uint64_t mac_state;
	uint16_t port; // index into dp.ports
	uint16_t vlan; // tag (VID), or 0xffff untagged
	uint16_t mtu;  // of the outgoing interface, IP bytes; w: manager r: workers, relaxed
	uint16_t pad;
	struct tp_ip address; // gateway or on-link neighbour
	uint32_t ifindex;     // workers compare both in dp_net_lookup
	uint32_t references;  // manager only
	uint8_t pad1[20];
};
static_assert(sizeof(struct dp_next_hop) == 64);

#define DP_MAC_RESOLVED_BIT 48 // byte 6 on little-endian
#define DP_MAC_RESOLVED     (UINT64_C(1) << DP_MAC_RESOLVED_BIT)
