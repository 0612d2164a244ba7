// SPDX-License-Identifier: BSD-3-Clause
// The agreement between the dataplane and everything that attaches to it: version, greeting, the
// layout of an attachment. No pointer crosses: indices, offsets, values. Fixed-width fields,
// explicit padding, no bool, enum, long or bitfield in any struct of this folder.
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"

#define TP_ABI_MAGIC UINT32_C(0x54504b31) // "TPK1"
#define TP_ABI_MAJOR 1                    // differs: refused
#ifndef TP_ABI_MINOR                      // tests/netns builds controls of the versions around it
#define TP_ABI_MINOR 2 // differs: accepted, the newer side converts by the size table
#endif

#define TP_MAX_WORKERS   16
#define TP_MAX_PORTS     8
#define TP_MAX_LISTENERS 64
#define TP_MAX_LOCALS    4096 // local addresses that the dataplane answers for, prefixes expanded

// Names one allocation for both sides; the index is the one of its record in the session region.
// A reused index has another generation: late commands and packets for the old one are refused.
struct tp_alloc_ref {
	uint32_t index;
	uint32_t generation; // never 0 for a real allocation
};
#define TP_ALLOC_NONE ((struct tp_alloc_ref){.index = UINT32_MAX})

// ---- RUN_DIRECTORY/dataplane.sock, SOCK_SEQPACKET: one message a struct below.

enum tp_message_type {
	TP_MSG_HELLO = 1,    // client -> dataplane, first message
	TP_MSG_ATTACHED = 2, // dataplane -> control, with the file descriptors of tp_attached
	TP_MSG_REFUSED = 3,  // dataplane -> client, then it closes
	TP_MSG_STATUS = 4,   // client -> dataplane, any number, needs no attachment
	TP_MSG_STATUS_REPLY = 5,
	TP_MSG_PROBE = 6, // as TP_MSG_STATUS; struct tp_probe of health.h
	TP_MSG_PROBE_REPLY = 7,
	TP_MSG_MEMORY = 8, // as TP_MSG_STATUS; struct tp_memory_reply of memory.h
	TP_MSG_MEMORY_REPLY = 9,
	TP_MSG_STREAM_ATTACHED = 10, // dataplane -> stream, common/abi/stream.h
	TP_MSG_STREAM_STATE = 11,    // stream -> dataplane
	TP_MSG_STREAM_CONTROL = 12,  // control -> stream
	TP_MSG_STREAM_FAR = 13,      // between both, an open connection is handed over
};

enum tp_role {
	TP_ROLE_CONTROL = 1, // one at a time: a second one is refused while the first lives
	TP_ROLE_STREAM = 2,  // with tp_stream_hello
	TP_ROLE_STATUS = 3,  // read-only queries
};

// Sizes of what is shared, so that a minor difference is seen at attach and not in the data.
enum tp_size_index {
	TP_SIZE_CMD,
	TP_SIZE_ACK,
	TP_SIZE_PUNT,
	TP_SIZE_INJECT,
	TP_SIZE_REGION_HEADER,
	TP_SIZE_ALLOC_RECORD,
	TP_SIZE_PEER_RECORD,
	TP_SIZE_NAME_RECORD,
	TP_SIZE_STATUS,
	TP_SIZE_STREAM_SLOT,
	TP_SIZE_STREAM_NOTE,
	TP_SIZES = 16,
};

struct tp_message_header {
	uint32_t magic;
	uint16_t major;
	uint16_t minor;
	uint16_t type; // enum tp_message_type
	uint16_t pad;
	uint32_t length_bytes; // of the whole message
};

struct tp_hello {
	struct tp_message_header header;
	uint16_t role; // enum tp_role
	uint16_t pad;
	uint32_t pid;
	uint32_t sizes[TP_SIZES];
};

enum tp_refusal {
	TP_REFUSED_MAGIC = 1,
	TP_REFUSED_MAJOR = 2,
	TP_REFUSED_SIZES = 3,
	TP_REFUSED_BUSY = 4, // another control is attached; `detail` is its pid
	TP_REFUSED_ROLE = 5,
	TP_REFUSED_MEMORY = 6,
};

struct tp_refused {
	struct tp_message_header header;
	uint16_t reason; // enum tp_refusal
	uint16_t pad;
	uint32_t detail;
};

enum tp_ring_kind {
	TP_RING_COMMAND = 1,         // control -> management thread, struct tp_cmd
	TP_RING_ACK = 2,             // management thread -> control, struct tp_ack
	TP_RING_PUNT = 3,            // worker -> control, struct tp_punt
	TP_RING_INJECT = 4,          // control -> worker, struct tp_inject
	TP_RING_STREAM_UP = 5,       // stream -> worker, struct tp_stream_slot
	TP_RING_STREAM_DOWN = 6,     // worker -> stream, struct tp_stream_slot
	TP_RING_STREAM_REQUEST = 7,  // stream -> control, struct tp_stream_note
	TP_RING_STREAM_RESPONSE = 8, // control -> stream, struct tp_stream_note
};

struct tp_ring_place {
	uint16_t kind;   // enum tp_ring_kind
	uint16_t worker; // for punt and inject
	uint32_t slots;  // a power of two
	uint32_t slot_bytes;
	uint16_t event_fd; // index into the descriptors of the message; wakes the consumer
	uint16_t pad;
	uint64_t offset; // of struct tp_ring_shared in the rings' memfd, 64-byte aligned
};

#define TP_ATTACHED_MAX_RINGS (2 + 2 * TP_MAX_WORKERS)
// Descriptors of TP_MSG_ATTACHED: [0] session region memfd, [1] rings memfd, then eventfds.
#define TP_ATTACHED_MAX_FDS (2 + TP_ATTACHED_MAX_RINGS)

// A relay address as the dataplane knows it. Control matches its own config by value.
struct tp_relay_place {
	struct tp_ip address;        // what peers' packets carry as destination here
	struct tp_ip public_address; // what clients are told; equal to `address` without 1:1 NAT
	uint8_t prefix_bits;         // 32 or 128 for a single address
	uint8_t pad[3];
};
#define TP_MAX_RELAYS 256
// The message ends after `relays` places, but not before this many: receivers from the time when
// there were no more expect exactly these.
#define TP_ATTACHED_MIN_RELAYS 64

struct tp_attached {
	struct tp_message_header header;
	uint32_t pid;
	uint16_t workers;
	uint16_t rings;
	uint64_t instance; // random, of this run of the dataplane: a new value means empty tables
	uint64_t region_bytes; // size of the session region, sealed
	uint64_t rings_bytes;
	uint16_t port_min; // relay port range, host order
	uint16_t port_max;
	uint16_t listeners;
	uint16_t relays;
	uint64_t node_id; // reserved for a failover pair, 0 today
	struct tp_ring_place ring[TP_ATTACHED_MAX_RINGS];
	struct tp_addr listener[TP_MAX_LISTENERS];
	struct tp_relay_place relay[TP_MAX_RELAYS];
};

// Length of a tp_attached with that many relay places.
static inline size_t tp_attached_bytes(uint32_t relays)
{
	return offsetof(struct tp_attached, relay) +
	       (relays < TP_ATTACHED_MIN_RELAYS ? TP_ATTACHED_MIN_RELAYS : relays) *
		       sizeof(struct tp_relay_place);
}

static_assert(sizeof(struct tp_message_header) == 16);
static_assert(sizeof(struct tp_hello) == 24 + 4 * TP_SIZES);
static_assert(sizeof(struct tp_ring_place) == 24 + 0);
static_assert(sizeof(struct tp_relay_place) == 44);
static_assert(offsetof(struct tp_attached, relay) + TP_MAX_RELAYS * sizeof(struct tp_relay_place) ==
	      sizeof(struct tp_attached));
