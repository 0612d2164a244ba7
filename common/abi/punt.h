// SPDX-License-Identifier: BSD-3-Clause
// Requests that the dataplane hands to control (punt) and what control wants sent (inject).
#pragma once

#include "common/abi/abi.h"

#define TP_PACKET_SLOT_BYTES 2048
#define TP_PUNT_RING_SLOTS   1024
#define TP_INJECT_RING_SLOTS 1024

// Where a datagram came from, for an answer that must go back although no route to its source is
// resolved yet. Opaque to control: it hands it back with the inject.
struct tp_reply_path {
	uint8_t mac[6]; // Ethernet source of the request
	uint16_t port;  // DPDK port index of ours
	uint16_t vlan;  // TCI with tag, or 0xffff
	uint16_t valid; // 1 when filled
};

struct tp_punt {
	uint64_t received_ns;
	struct tp_addr source;      // client
	struct tp_addr destination; // listener
	struct tp_alloc_ref alloc;  // of the five-tuple, when known
	struct tp_reply_path path;
	uint16_t worker;
	uint16_t length; // of the payload
	uint8_t dscp_ecn;
	uint8_t hop_limit;
	uint16_t pad;
	uint8_t reserved[28];
	uint8_t payload[]; // UDP payload, at most TP_PACKET_SLOT_BYTES - sizeof(struct tp_punt)
};

struct tp_inject {
	struct tp_addr source;      // one of our local addresses, any port
	struct tp_addr destination; // client
	struct tp_reply_path path;
	uint16_t length;
	uint8_t dscp_ecn;
	uint8_t pad0;
	uint8_t pad[64];
	uint8_t payload[];
};

static_assert(sizeof(struct tp_punt) == 112 + 0);
static_assert(sizeof(struct tp_inject) == 128);
