// SPDX-License-Identifier: BSD-3-Clause
// The session region: control's records of allocations, permissions and channels, in a memfd that
// the dataplane creates, seals and keeps open, so that they outlive any control process. Single
// writer (the attached control); a reader that adopts it trusts no link and no count. Fixed-size,
// index-linked; every record carries a sequence word, odd while being written, and its own layout
// version, so that a newer control converts from N-1 record by record.
#pragma once

#include <stdatomic.h>

#include "common/abi/abi.h"
#include "common/abi/stream.h"

#define TP_REGION_NAME         "turnpike-sessions" // of the memfd, and where others keep it
#define TP_REGION_MAGIC        UINT64_C(0x31307365732d7074) // "tp-ses01"
#define TP_REGION_HEADER_BYTES 4096
#define TP_REGION_KEYS_OFFSET  1024 // of struct tp_region_keys, in the page of the header
#define TP_ALLOC_LAYOUT        2    // of each kind of record; layout 1 of allocations: region.h
#define TP_PEER_LAYOUT         1
#define TP_NAME_LAYOUT         1
#define TP_INDEX_NONE          UINT32_MAX

struct tp_nonce_key {
	uint8_t key[16];
	uint64_t created_wall_ns; // 0: no key
};

// Written by the dataplane when it creates the region (magic, capacities), the rest by control.
struct tp_region_header {
	uint64_t magic;
	uint16_t major; // TP_ABI_MAJOR of the creator
	uint16_t minor;
	uint32_t alloc_capacity;
	uint32_t peer_capacity;
	uint32_t name_capacity;
	uint64_t instance;     // tp_attached.instance of the dataplane that created it
	uint64_t node_id;      // reserved for a failover pair
	uint64_t next_uid;     // w: control; low half of the next unique id, never reused
	uint8_t uid_prefix[8]; // random, once a region; high half of every unique id
	struct tp_nonce_key nonce_key[2]; // [0] signs, both verify; survive a control restart
	uint64_t control_generation;      // counts attaches
};

// Entries of relay.addresses that the operator took out of use, so that they stay so over a restart
// of control. A word is a digest of address and prefix length (keyed with uid_prefix), so an entry
// is found again wherever the configuration has it; its lowest bits say what it is. 0: no entry.
// In the second half of the header's page, beside the header: regions of earlier versions have
// zeros there.
#define TP_REGION_RELAYS_OFFSET 2048
#define TP_RELAY_USE_MASK       UINT64_C(3)
enum tp_relay_use {
	TP_RELAY_DRAINED = 1, // gives no ports
	TP_RELAY_REMOVED = 2, // is not there for control
};

struct tp_region_relays {
	uint64_t word[TP_MAX_RELAYS]; // w: control
};

static inline struct tp_region_relays *tp_region_relays(struct tp_region_header *header)
{
	return (struct tp_region_relays *)((uint8_t *)header + TP_REGION_RELAYS_OFFSET);
}

// What only control uses, behind the header in its page: zero there means that nothing was written.
struct tp_region_keys {
	uint8_t ticket_key[32];      // of mobility tickets, as long as the region lives
	uint64_t ticket_key_wall_ns; // when it was drawn; 0: no key
};

// The run of the dataplane that the snapshots of all records were read from. Another one counts
// from zero: what was read before is carried first. Before the keys; zero in a region that no
// control has taken yet.
#define TP_REGION_COUNTED_OFFSET 1016
struct tp_region_counted {
	uint64_t instance; // w: control; tp_attached.instance
};
static_assert(sizeof(struct tp_region_header) <= TP_REGION_COUNTED_OFFSET);
static_assert(TP_REGION_COUNTED_OFFSET + sizeof(struct tp_region_counted) <= TP_REGION_KEYS_OFFSET);

enum tp_record_state {
	TP_RECORD_FREE = 0,
	TP_RECORD_LIVE = 1,
	TP_RECORD_RESTING = 2, // gone; its relay ports rest until deadline_ns
};

enum tp_end_reason {
	TP_END_NONE = 0,
	TP_END_REFRESH_ZERO = 1,
	TP_END_EXPIRED = 2,
	TP_END_OPERATOR = 3,
	TP_END_DATAPLANE_REFUSED = 4,
	TP_END_INCONSISTENT = 5, // dropped at adoption
	TP_END_CLOSED = 6,       // the client's TCP or TLS connection is gone
};

#define TP_RECORD_NAME_INLINE   60
#define TP_RECORD_OVER_TCP      0x80 // its relayed transport addresses are of TCP (RFC 6062)
#define TP_RECORD_MAC_KEY_BYTES 32

// A five-tuple: its client and listener.
struct tp_record_place {
	uint8_t ip[16];
	uint16_t port;     // host order
	uint8_t family;    // TP_FAMILY_*
	uint8_t transport; // as of an allocation
	uint32_t listener; // digest of that listener's address and port
};
static_assert(sizeof(struct tp_record_place) == 24);

struct tp_alloc_record {
	_Atomic uint32_t sequence; // w: control; odd while the record is being written
	uint16_t layout;
	uint8_t state;      // enum tp_record_state
	uint8_t end_reason; // enum tp_end_reason
	struct tp_alloc_ref self;
	uint8_t uid[16];
	uint64_t start_wall_ns;
	uint64_t deadline_ns; // CLOCK_MONOTONIC; of the family that lasts longest
	struct tp_addr client;
	struct tp_addr listener;
	struct tp_addr relay[2]; // private form; family none when absent
	uint32_t first_peer;     // index of tp_peer_record or TP_INDEX_NONE
	uint32_t peers;
	// Of the Allocate, or of the Refresh that moved it last: to know its retransmission.
	uint8_t transaction_id[12];
	uint32_t granted_lifetime_s;
	struct tp_alloc_counters_snapshot {
		uint64_t up_packets, up_bytes, down_packets, down_bytes;
	} snapshot;                                // totals as last read
	struct tp_alloc_counters_snapshot carried; // what earlier runs of the dataplane counted
	uint64_t snapshot_wall_ns;
	uint16_t realm; // index into the config's realms when this was written
	uint16_t user_length;
	uint32_t user_more; // index of a tp_name_record when user_length > TP_RECORD_NAME_INLINE
	uint8_t user[TP_RECORD_NAME_INLINE];
	uint8_t transport;       // of the client's side: 0 UDP, 1 TCP, 2 TLS, 3 DTLS
	uint8_t closed_families; // of a dual allocation, over: bit 0 IPv4, bit 1 IPv6;
				 // TP_RECORD_OVER_TCP
	uint8_t mac_key_length;  // of third-party authorization (RFC 7635), 0: of a user
	uint8_t mac_key[TP_RECORD_MAC_KEY_BYTES]; // zero beyond it; a secret, zero when not LIVE
	uint8_t reservation;            // 1: the Allocate was answered with reservation_token
	uint64_t family_deadline_ns[2]; // of each relayed address, IPv4, IPv6; 0: deadline_ns
	uint8_t reservation_token[8];
	uint64_t reservation_deadline_ns; // of relay[0]'s next port; 0: taken, or never reserved
	uint64_t realm_tag; // of the realm's name, whatever its index is; 0: there was but one
	// RFC 8016. Counter of the newest ticket, 0: the client holds none. Each move takes one, so
	// the move that took ticket n has the number n, and the last one begun is ticket - 1.
	uint32_t ticket;
	uint32_t moved_wall_s;  // when the last move began
	uint8_t move_ip[16];    // where the client is moving to; all zero when it is not
	uint16_t move_port;     // host order
	uint8_t move_family;    // TP_FAMILY_*
	uint8_t move_transport; // as `transport`
	uint32_t move_listener; // digest of that listener's address and port
	// Where the move before the last one leads to, until the dataplane has begun the last one:
	// only it knows which of both was first, that move's end or the last one's beginning.
	struct tp_record_place before;         // all zero when there is none
	struct tp_stream_client stream;        // of a client by TCP, TLS or DTLS; zero: UDP
	struct tp_stream_client move_stream;   // the same of where it is moving to
	struct tp_stream_client before_stream; // and of `before`
};

enum tp_peer_kind {
	TP_PEER_PERMISSION = 1, // port 0
	TP_PEER_CHANNEL = 2,
};

struct tp_peer_record {
	_Atomic uint32_t sequence;
	uint16_t layout;
	uint8_t state; // FREE or LIVE
	uint8_t kind;  // enum tp_peer_kind
	struct tp_alloc_ref owner;
	uint32_t next; // of the same allocation, or TP_INDEX_NONE
	uint16_t channel;
	uint16_t pad;
	uint64_t deadline_ns;
	struct tp_addr peer;
	uint8_t reserved[8];
};

// The rest of a long user name.
struct tp_name_record {
	_Atomic uint32_t sequence;
	uint16_t layout;
	uint8_t state;
	uint8_t pad;
	struct tp_alloc_ref owner;
	uint8_t bytes[496];
};

// What a record in use held before the write that is under way, so that a control that dies in the
// middle takes nothing away that a client was promised: the next one puts it back where the record
// is torn and its sequence is one above. In the header's page, around the heartbeats (health.h);
// zero: nothing.
#define TP_REGION_ALLOC_JOURNAL_OFFSET 1064
#define TP_REGION_PEER_JOURNAL_OFFSET  1976
struct tp_region_alloc_journal {
	_Atomic uint32_t of; // w: control; index + 1 of the record, 0 while this is being written
	uint32_t sequence;   // of the record, even
	uint8_t bytes[sizeof(struct tp_alloc_record) - sizeof(uint32_t)]; // the rest of it
};
struct tp_region_peer_journal {
	_Atomic uint32_t of;
	uint32_t sequence;
	uint8_t bytes[sizeof(struct tp_peer_record) - sizeof(uint32_t)];
};

static_assert(TP_REGION_RELAYS_OFFSET + sizeof(struct tp_region_relays) <= TP_REGION_HEADER_BYTES);
static_assert(
	TP_REGION_KEYS_OFFSET + sizeof(struct tp_region_keys) <= TP_REGION_ALLOC_JOURNAL_OFFSET);
static_assert(TP_REGION_PEER_JOURNAL_OFFSET + sizeof(struct tp_region_peer_journal) <=
	      TP_REGION_RELAYS_OFFSET);
static_assert(sizeof(struct tp_alloc_record) == 464);
static_assert(offsetof(struct tp_alloc_record, family_deadline_ns) == 344);
static_assert(offsetof(struct tp_alloc_record, realm_tag) == 376);
static_assert(offsetof(struct tp_alloc_record, before) == 416);
static_assert(sizeof(struct tp_peer_record) == 64);
static_assert(sizeof(struct tp_name_record) == 512);

// Layout: header page (with tp_region_relays in its second half), alloc records, peer records, name
// records, back to back.
static inline uint64_t tp_region_bytes(uint32_t allocs, uint32_t peers, uint32_t names)
{
	return TP_REGION_HEADER_BYTES + (uint64_t)allocs * sizeof(struct tp_alloc_record) +
	       (uint64_t)peers * sizeof(struct tp_peer_record) +
	       (uint64_t)names * sizeof(struct tp_name_record);
}
