// SPDX-License-Identifier: BSD-3-Clause
// What a stream process shares: with each worker of the dataplane a ring pair for the media of its
// clients (and, for DTLS, for their datagrams), with control a ring pair for their requests. A
// stream names itself by a random number, which it keeps for life; the same number to both, so that
// flows and allocations name one client alike. Nothing that a stream writes reaches another one's
// clients: whose ring it is decides, not what stands in it.
#pragma once

#include "common/abi/punt.h"

// A client behind a stream process, where a command of control has a client's transport address:
// `ip.family` TP_FAMILY_STREAM, `ip.bytes` a tp_stream_client, port 0; its listener's `ip.family`
// is TP_FAMILY_STREAM too, all else zero. So such a client is a key of the flow tables like any
// other.
struct tp_stream_client {
	uint32_t stream;     // of the process; never 0
	uint32_t connection; // the stream's own number for it, never 0, not used again soon
};

static inline struct tp_addr tp_stream_address(struct tp_stream_client client)
{
	struct tp_addr a = {.ip.family = TP_FAMILY_STREAM};

	memcpy(a.ip.bytes, &client, sizeof(client));
	return a;
}

static inline struct tp_stream_client tp_stream_client_of(const struct tp_addr *a)
{
	struct tp_stream_client client;

	memcpy(&client, a->ip.bytes, sizeof(client));
	return client;
}

// ---- RUN_DIRECTORY/dataplane.sock: TP_MSG_HELLO with role TP_ROLE_STREAM is this one, answered
// with TP_MSG_STREAM_ATTACHED, or refused: BUSY when a stream of that number, or one whose number
// has the same TP_STREAM_PLACE, is attached (take another number), MEMORY when there is no place.

// Places are found by number without a search.
#define TP_STREAM_PLACES        64
#define TP_STREAM_PLACE(stream) ((stream) % TP_STREAM_PLACES)

#define TP_STREAM_DTLS     1u // takes datagrams of the listeners' DTLS clients
#define TP_STREAM_DRAINING 2u // takes no new clients

struct tp_stream_hello {
	struct tp_hello hello;
	uint32_t stream;
	uint32_t flags; // TP_STREAM_*
};

// stream -> dataplane, any number: other flags. No answer.
struct tp_stream_state {
	struct tp_message_header header; // TP_MSG_STREAM_STATE
	uint32_t flags;
	uint32_t pad;
};

// Descriptors: [0] rings memfd, then eventfds.
struct tp_stream_attached {
	struct tp_message_header header; // TP_MSG_STREAM_ATTACHED
	uint32_t pid;                    // of the dataplane
	uint16_t workers;
	uint16_t rings; // one UP and one DOWN for each worker
	uint64_t instance;
	uint64_t rings_bytes;
	struct tp_ring_place ring[2 * TP_MAX_WORKERS];
};
#define TP_STREAM_ATTACHED_MAX_FDS (1 + 2 * TP_MAX_WORKERS)

#define TP_STREAM_UP_SLOTS   1024
#define TP_STREAM_DOWN_SLOTS 4096

enum tp_stream_kind {
	// A message of a client, ChannelData or an indication: from `connection` (up; nothing
	// behind
	// its length), to it (down; no padding of ChannelData).
	TP_STREAM_MESSAGE = 1,
	// A datagram with DTLS records, from a client (down; the worker answered every ClientHello
	// without our cookie) or to one (up; one slot).
	TP_STREAM_DATAGRAM = 2,
	// Up only: a datagram that came down and is of no client of this stream, one slot. The
	// worker gives it to the next stream that takes DTLS, from draining ones to the newest, or
	// drops it.
	TP_STREAM_NOT_MINE = 3,
	// The payload of the slot before goes on.
	TP_STREAM_REST = 4,
};

// One slot, both directions. A payload that is longer than a slot goes on in the `more` slots that
// follow, which are published together with it.
struct tp_stream_slot {
	uint16_t kind; // enum tp_stream_kind
	uint16_t more;
	uint16_t length; // bytes in this slot
	uint8_t dscp_ecn;
	uint8_t pad0;
	uint32_t connection; // MESSAGE
	uint32_t pad1;
	struct tp_addr client;   // DATAGRAM, NOT_MINE
	struct tp_addr listener; // the same
	struct tp_reply_path path;
	uint32_t pad2;
	uint8_t payload[];
};
#define TP_STREAM_SLOT_PAYLOAD (TP_PACKET_SLOT_BYTES - sizeof(struct tp_stream_slot))
#define TP_STREAM_MESSAGE_MAX  (4 + 65535) // ChannelData; STUN is smaller
#define TP_STREAM_MOST_SLOTS                                                                       \
	((TP_STREAM_MESSAGE_MAX + TP_STREAM_SLOT_PAYLOAD - 1) / TP_STREAM_SLOT_PAYLOAD)

// ---- RUN_DIRECTORY/streams.sock, SOCK_SEQPACKET, control listens. The stream says the same hello,
// control answers TP_MSG_STREAM_CONTROL with fresh rings, or TP_MSG_REFUSED. Then the stream tells
// of every client it has (OPENED) and that this was all (READY): allocations of other connections
// of this stream end. The end of the socket's connection is the end of the stream, or of control.

// Descriptors: [0] rings memfd, [1] wakes control, [2] wakes the stream.
struct tp_stream_control {
	struct tp_message_header header; // TP_MSG_STREAM_CONTROL
	uint32_t pid;                    // of control
	uint16_t rings;                  // 2
	uint16_t pad;
	uint64_t rings_bytes;
	struct tp_ring_place ring[2]; // REQUEST, RESPONSE
};
#define TP_STREAM_CONTROL_FDS 3

#define TP_STREAM_REQUEST_SLOTS  1024
#define TP_STREAM_RESPONSE_SLOTS 1024

enum tp_stream_note_kind {
	// stream -> control
	TP_STREAM_OPENED = 1,  // struct tp_stream_opened
	TP_STREAM_REQUEST = 2, // one STUN message: a request, or what only control can refuse
	TP_STREAM_CLOSED = 3,  // the client is gone; its number is not used before control was told
	TP_STREAM_READY = 4,
	TP_STREAM_COUNTERS = 5, // struct tp_stream_counters, the answer to ASK
	// Of TCP allocations, struct tp_stream_far for all but the first.
	TP_STREAM_LISTENED = 6,      // struct tp_stream_listened: answers LISTEN; of `connection`
	TP_STREAM_FAR_CAME = 7,      // a peer connected; waits for FAR_ADMIT or FAR_CLOSE
	TP_STREAM_FAR_CONNECTED = 8, // answers FAR_CONNECT
	TP_STREAM_FAR_IS = 9,        // there is one; to a control that is new
	TP_STREAM_FAR_BYTES = 10,    // it relayed so much since this was said last
	TP_STREAM_FAR_GONE = 11,     // it is closed, or was never here; the same bytes
	// control -> stream
	TP_STREAM_RESPONSE = 32, // one STUN message
	TP_STREAM_CLOSE = 33,    // after what was sent before it
	TP_STREAM_ASK = 34,      // for COUNTERS of `connection`
	TP_STREAM_DRAIN = 35,    // takes no new clients, ends with its last one
	TP_STREAM_RELOAD = 36,   // reads configuration and certificates again
	// Of TCP allocations, struct tp_stream_far for all but the first two, which are about the
	// allocation of `connection`.
	TP_STREAM_LISTEN = 37,      // struct tp_stream_listen, in the place of one before
	TP_STREAM_UNLISTEN = 38,    // what is not bound yet is closed, too
	TP_STREAM_FAR_CONNECT = 39, // answered with FAR_CONNECTED
	TP_STREAM_FAR_ADMIT = 40,   // the client was told of it
	// To `connection`, which carries nothing but its bytes from now on. The answer to its
	// ConnectionBind, one STUN message, follows in the payload and is sent before.
	TP_STREAM_FAR_BIND = 41,
	TP_STREAM_FAR_HAND_OVER = 42, // to control, by TP_MSG_STREAM_FAR; FAR_GONE if it cannot
	TP_STREAM_FAR_CLOSE = 43,
};

struct tp_stream_note {
	uint16_t kind;   // enum tp_stream_note_kind
	uint16_t length; // of the payload
	uint32_t connection;
	uint64_t received_ns; // REQUEST: CLOCK_MONOTONIC
	uint8_t payload[];
};
#define TP_STREAM_NOTE_PAYLOAD (TP_PACKET_SLOT_BYTES - sizeof(struct tp_stream_note))

enum tp_stream_transport { // as tp_alloc_record.transport
	TP_STREAM_TCP = 1,
	TP_STREAM_TLS = 2,
	TP_STREAM_DTLS_CLIENT = 3,
};

struct tp_stream_opened {
	struct tp_addr client;
	struct tp_addr listener; // as configured
	uint8_t transport;       // enum tp_stream_transport
	uint8_t proxied;         // 1: `client` is what a proxy said (PROXY protocol)
	uint8_t pad[6];
};

// Of one client: what did not reach it because it does not read.
struct tp_stream_counters {
	uint64_t dropped_packets;
	uint64_t dropped_bytes;
	uint64_t queued_bytes; // now
};

// ---- TCP allocations (RFC 6062). The process that has the control connection listens on the
// relayed transport address and connects from it. Its connections with peers ("far" ones) have
// CONNECTION-IDs for numbers: control's choice for those that a client asks for, the process's for
// those that come. Nothing is read of one before it is bound; it is handed over to the process that
// has the client data connection, where that is another one.

struct tp_stream_listen {
	struct tp_addr relay[2]; // private form; family none where there is none
};

struct tp_stream_listened {
	int32_t error; // errno, 0: it listens
	uint32_t pad;
};

enum tp_stream_far_state {
	TP_STREAM_FAR_CONNECTING = 1,
	TP_STREAM_FAR_UNJUDGED = 2, // it came, control has said nothing to it
	TP_STREAM_FAR_WAITING = 3,  // for its ConnectionBind
	TP_STREAM_FAR_BOUND = 4,
};

// Every note has all of it that its sender knows; `id` always.
struct tp_stream_far {
	uint32_t id;
	int32_t error;                 // CONNECTED: errno, 0: it is connected
	struct tp_stream_client owner; // the allocation's control connection
	struct tp_addr relay;          // private form
	struct tp_addr peer;
	uint8_t transaction_id[12]; // of the Connect; zero: the peer came
	uint8_t state;              // enum tp_stream_far_state
	uint8_t pad[3];
	uint64_t up_bytes, down_bytes; // client to peer, peer to client
	uint64_t rate_bytes_per_s;     // of each direction; 0: unlimited
};

// Between stream and control, both directions, by their socket, with the connection's socket as its
// only descriptor: handed over.
struct tp_stream_far_socket {
	struct tp_message_header header; // TP_MSG_STREAM_FAR
	struct tp_stream_far far;
};

static_assert(sizeof(struct tp_stream_listen) == 48);
static_assert(sizeof(struct tp_stream_far) == 104);
static_assert(sizeof(struct tp_stream_client) == 8);
static_assert(sizeof(struct tp_stream_hello) == sizeof(struct tp_hello) + 8);
static_assert(sizeof(struct tp_stream_slot) == 80);
static_assert(sizeof(struct tp_stream_note) == 16);
static_assert(sizeof(struct tp_stream_opened) == 56);
