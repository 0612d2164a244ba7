// SPDX-License-Identifier: BSD-3-Clause
// A flow: one direction of one channel, permission or allocation; the unit the dataplane forwards
// by. Two cache lines: a hit reads the first and writes the second. A published flow is immutable
// except for the fields marked atomic; any other change makes a new flow and swaps the bucket's
// index.
#pragma once

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>
#include <rte_common.h>

#include "common/abi/cmd.h"

enum dp_flow_kind {
	DP_FLOW_FREE = 0,
	DP_FLOW_ALLOCATION,   // (client ip:port, listener): Send indications, known five-tuples
	DP_FLOW_CHANNEL_UP,   // (client ip:port, listener, channel)
	DP_FLOW_CHANNEL_DOWN, // (peer ip:port, local, relayed port)
	DP_FLOW_PERMISSION,   // (peer ip, local, relayed port): both directions of indications
};

// Which side of the appliance the key describes; part of the key.
enum dp_key_side {
	DP_KEY_CLIENT = 1,
	DP_KEY_PEER = 2,
	DP_KEY_PROBE = 3, // no packet that was received is looked up by it
	DP_KEY_STREAM =
		4, // client behind a stream process: ip is a tp_stream_client, port and local 0
};

struct dp_flow_key {
	uint8_t ip[16];    // remote end (client or peer), IPv4 in the first four bytes, rest zero
	rte_be16_t port;   // remote UDP port; 0 for a permission
	uint16_t local;    // client side: listener index; peer side: local address index
	uint16_t selector; // client side: channel (host order; 0 = allocation); peer side: relayed
			   // port (network order, as in the packet)
	uint8_t side;      // enum dp_key_side
	uint8_t family;    // TP_FAMILY_* of ip
};
static_assert(sizeof(struct dp_flow_key) == 24);

// The peer stands behind one of our relay addresses: the packet never leaves by the NIC, it is
// looked up again as downlink. Keys carry such a peer in public form (what the receiver sees as the
// sender), destinations in private form. A Send indication names the peer as the client knows it:
// canonicalise it (dp_local_find_public, then that local's public_address) before looking the
// permission up.
#define DP_FLOW_HAIRPIN 0x01
// DP_FLOW_PERMISSION: the peer IP is an address of ours that a listener stands on. A Send to a
// listener's port there (dp_listener_find) is dropped; channels to one are never made.
#define DP_FLOW_DENIED 0x02
// DP_FLOW_ALLOCATION, DP_FLOW_CHANNEL_UP: of a client that came by a move (RFC 8016). The first
// datagram by such a flow ends the move: path/moves.h. DP_FLOW_CHANNEL_DOWN, DP_FLOW_PERMISSION:
// their client is on the move; once the new one has arrived, its flow says where it is.
#define DP_FLOW_MOVE 0x04
// DP_FLOW_CHANNEL_DOWN, DP_FLOW_PERMISSION: their client is behind a stream process. dst_ip is its
// tp_stream_client, dst_family TP_FAMILY_STREAM; port and source mean nothing.
#define DP_FLOW_STREAM 0x08

// DP_FLOW_ALLOCATION with DP_FLOW_MOVE. From AWAITED it becomes ARRIVED by a worker or GIVEN_UP by
// the manager, whoever is first, and stays that.
enum dp_client_state {
	DP_CLIENT_AWAITED = 0,
	DP_CLIENT_ARRIVED,
	DP_CLIENT_GIVEN_UP,
};

struct dp_flow {
	// ---- line 0: all that a hit reads
	struct dp_flow_key key;
	_Atomic uint64_t
		deadline_ns; // w: manager r: workers, relaxed; effective (minimum of its parents)
	union {
		uint8_t dst_ip[16]; // where the rewritten packet goes (hairpin: private relay form)
		struct { // DP_FLOW_ALLOCATION: [0] IPv4, [1] IPv6 relayed transport address
			// Local address index, DP_LOCAL_NONE when absent. w: manager r: workers,
			// relaxed: a family of a dual allocation may end before the other
			_Atomic uint16_t relay_local[2];
			rte_be16_t relay_port[2];
			uint32_t move; // which move brought this client, 0 none
		};
	};
	rte_be16_t src_port, dst_port; // in the order of a UDP header
	uint16_t src_local; // local address whose template makes the source half of the header
	_Atomic uint16_t next_hop; // towards dst; w: manager r: workers, relaxed
	union {
		_Atomic uint16_t peer_next_hop; // DP_FLOW_PERMISSION: towards key.ip for Send
		// DP_FLOW_CHANNEL_*: what relaying adds to the UDP checksum, folded: of all that is
		// the same for each datagram (addresses, ports, channel number). w: manager before
		// publishing
		uint16_t sum_change;
	};
	uint16_t channel;             // host order
	uint8_t dst_family;           // TP_FAMILY_*
	uint8_t kind;                 // enum dp_flow_kind
	_Atomic uint8_t flags;        // DP_FLOW_*; w: manager r: workers, relaxed
	_Atomic uint8_t client_state; // enum dp_client_state; w: workers, manager, CAS

	// ---- line 1: what a hit writes (workers) and what the manager keeps with it
	alignas(RTE_CACHE_LINE_SIZE) union {
		struct {
			_Atomic uint64_t packets; // w: owner worker, see path/account.h
			_Atomic uint64_t bytes;   // application data
		};
		// DP_FLOW_ALLOCATION, which counts nothing: buckets of requests (path/police.h),
		// [1] those with a nonce of ours. w: workers, relaxed
		_Atomic uint64_t requests[2];
	};
	_Atomic uint64_t
		up_packets; // DP_FLOW_PERMISSION: Send direction (packets/bytes are downlink)
	_Atomic uint64_t up_bytes;
	_Atomic uint64_t rate; // w: manager r: workers; DP_RATE of its allocation, 0 unlimited
	uint32_t client; // DP_FLOW_MOVE, uplinks: the client's DP_FLOW_ALLOCATION flow; w: manager
			 // before publishing
	struct tp_alloc_ref alloc; // w: manager before publishing
	_Atomic uint8_t owner;     // worker that counts by plain stores; DP_OWNER_*
	uint8_t sync_mark;         // w: manager
	_Atomic uint8_t seen; // DP_FLOW_MOVE: w: workers (1: a datagram came), manager (0: say it
			      // again)
	uint8_t pad1;
	uint32_t next;   // w: manager; flows of the same allocation, 0 ends
	uint32_t bucket; // w: manager; where its index stands
};
static_assert(sizeof(struct dp_flow) == 2 * RTE_CACHE_LINE_SIZE);
static_assert(offsetof(struct dp_flow, packets) == RTE_CACHE_LINE_SIZE);

// Kilobytes and packets a second of each direction of an allocation, in one word; either may be 0,
// unlimited.
#define DP_RATE(kbytes, packets) ((uint64_t)(packets) << 32 | (uint32_t)(kbytes))
static inline uint32_t dp_rate_kbytes(uint64_t rate)
{
	return (uint32_t)rate;
}
static inline uint32_t dp_rate_packets(uint64_t rate)
{
	return (uint32_t)(rate >> 32);
}

#define DP_OWNER_NONE   0xff // nobody yet: the first worker claims it
#define DP_OWNER_SHARED 0xfe // more than one worker was seen: relaxed fetch-add
