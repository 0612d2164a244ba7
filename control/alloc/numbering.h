// SPDX-License-Identifier: BSD-3-Clause
// How synthetic allocations are numbered: every address, port and channel of a flow is a run of
// bits of one number, so one variable of a packet generator writes all fields of a frame.
//
//     flow       = 0 ... (allocations << channel_bits) - 1
//     k          = flow & (1 << channel_bits) - 1       number of the channel in its allocation
//     allocation = flow >> channel_bits
//     channel    = first channel + k
//     peer       = first address + (k & (1 << peer_bits) - 1), first port + (k >> peer_bits)
//     client     = first address + (allocation >> port_bits), first port + (allocation & (1 <<
//                  port_bits) - 1); the relayed address in the same way
//
// First values have zeros where bits of the number go, so + may be read as |. IPv4 only.
#pragma once

#include <stdint.h>

#include "common/base/addr.h"

#define CTL_NUMBERING_PORT_BITS   14 // at most: the 16,384 ports of the default relay range
#define CTL_NUMBERING_PEER_BITS   9  // at most, peers and channels of one allocation
#define CTL_NUMBERING_CLIENT_PORT 16384
#define CTL_NUMBERING_PEER_PORT   32768

struct ctl_numbering {
	uint32_t allocations;
	uint8_t channel_bits, peer_bits, port_bits;
	uint8_t pad;
	uint16_t channel; // of k = 0
	uint16_t pad2;
	struct tp_addr listener;
	struct tp_addr client, relay, peer; // of number 0; the relayed address in private form
};

// NULL when every field of a flow is bits of its number; else what is wrong, a literal.
const char *ctl_numbering_check(const struct ctl_numbering *n);

// How many addresses clients, or relayed addresses, take.
uint32_t ctl_numbering_addresses(const struct ctl_numbering *n);

static inline uint64_t ctl_numbering_flows(const struct ctl_numbering *n)
{
	return (uint64_t)n->allocations << n->channel_bits;
}

// Of an allocation.
struct tp_addr ctl_numbering_client(const struct ctl_numbering *n, uint32_t allocation);
struct tp_addr ctl_numbering_relay(const struct ctl_numbering *n, uint32_t allocation);
// Of a channel of an allocation, by its number in it; with peer_bits above channel_bits also of
// peers that have a permission and no channel.
struct tp_addr ctl_numbering_peer(const struct ctl_numbering *n, uint32_t k);

static inline uint16_t ctl_numbering_channel(const struct ctl_numbering *n, uint32_t k)
{
	return (uint16_t)(n->channel + k);
}
