// SPDX-License-Identifier: BSD-3-Clause
// Allocations (RFC 8656 sections 5 and 7): find, create, refresh, delete, walk. Returned records
// are the region's: valid until the next call that changes the store.
#pragma once

#include "control/alloc/change.h"

enum ctl_transport {
	CTL_TRANSPORT_UDP = 0,
	CTL_TRANSPORT_TCP = 1,
	CTL_TRANSPORT_TLS = 2,
	CTL_TRANSPORT_DTLS = 3,
};

// "udp"; of a transport that there is not: "".
const char *ctl_transport_name(uint8_t transport);

enum ctl_even_port {
	CTL_PORT_ANY = 0,
	CTL_PORT_EVEN = 1,    // EVEN-PORT, R bit clear
	CTL_PORT_RESERVE = 2, // R bit set: the next higher one is reserved too
};

#define CTL_RESERVATION_TOKEN_BYTES 8

struct ctl_allocation_request {
	struct tp_addr client, listener;
	uint8_t transport;              // enum ctl_transport
	struct tp_stream_client stream; // of another transport than UDP: its connection
	uint8_t families;          // bit 0 IPv4, bit 1 IPv6: one relayed address of each is needed
	uint8_t even_port;         // enum ctl_even_port; with one family only
	uint8_t optional_families; // subset of families that may be missing (RFC 8656 section 7.2)
	const uint8_t *token;      // reservation to use, or NULL
	const struct tp_addr *relay; // synthetic.h: exactly this one; else NULL
	const uint8_t *user;
	size_t user_length;
	uint16_t realm; // of the user: index into the policy's
	const uint8_t *transaction_id;
	uint32_t lifetime_s; // granted
	// Third-party authorization: the session key, at most TP_RECORD_MAC_KEY_BYTES; length 0:
	// none.
	const uint8_t *mac_key;
	uint8_t mac_key_length;
	bool mobile;   // the client asked for a ticket (RFC 8016)
	bool over_tcp; // its relayed transport addresses are of TCP (RFC 6062)
};
#define CTL_FAMILY_BIT_IPV4 1
#define CTL_FAMILY_BIT_IPV6 2

// Whether the kernel's TCP relays for it, not the dataplane: no command is ever sent for such a
// one, so its changes are good at once. A permission lets peers connect.
static inline bool ctl_over_tcp(const struct tp_alloc_record *record)
{
	return (record->closed_families & TP_RECORD_OVER_TCP) != 0;
}

// Creates the record, takes relay ports, sends ALLOC_SET and fills `change`. When a reservation was
// asked for, its token is written to `token_out`. 0, or with nothing changed:
// -EEXIST the five-tuple has one; -EUSERS the total quota is used up,
// -EDQUOT the user's; -EAFNOSUPPORT no relay address of a
// needed family; -ENOSPC no relay port, record or such reservation is left; -ENOBUFS no room for
// the command; -EINVAL user name too long or empty; -EADDRINUSE, -EADDRNOTAVAIL the relayed address
// asked for is taken, is none of ours.
int ctl_allocation_create(struct ctl_store *store, const struct ctl_allocation_request *request,
	struct ctl_time now, struct ctl_change *change,
	uint8_t token_out[CTL_RESERVATION_TOKEN_BYTES]);

// What stands for a client in the commands to the dataplane and where allocations are looked for:
// its transport address, or by another transport than UDP its connection (tp_stream_address). An
// address may come again while the connection that had it is still being closed, or be claimed by a
// stream process for another one's client; a connection may not.
static inline struct tp_addr ctl_client_key(
	uint8_t transport, const struct tp_addr *client, struct tp_stream_client stream)
{
	return transport == CTL_TRANSPORT_UDP ? *client : tp_stream_address(stream);
}

// The live allocation of a five-tuple, or NULL; one whose deadline has passed is not found.
// `client` is a ctl_client_key: with a connection the listener does not matter.
const struct tp_alloc_record *ctl_allocation_find(const struct ctl_store *store, uint8_t transport,
	const struct tp_addr *client, const struct tp_addr *listener, struct ctl_time now);

// The live allocation behind a reference, or NULL when it is gone or the index was reused.
const struct tp_alloc_record *ctl_allocation_get(
	const struct ctl_store *store, struct tp_alloc_ref ref);

// New deadline of one family's relayed address, or of all with TP_FAMILY_NONE; ALLOC_SET. 0;
// -EAFNOSUPPORT the allocation does not have that family (any more); -ENOENT; -ENOBUFS.
int ctl_allocation_refresh(struct ctl_store *store, struct tp_alloc_ref ref, uint8_t family,
	uint32_t lifetime_s, struct ctl_time now, struct ctl_change *change);

// Another session key, of the token that a client renewed its own by. Nothing when it is gone.
void ctl_allocation_renew_key(struct ctl_store *store, struct tp_alloc_ref ref,
	const uint8_t *mac_key, uint8_t mac_key_length);

// Ends it with all its permissions and channels; ALLOC_DELETE; its relay ports rest as long as
// there are others. `change` may be NULL when nobody waits. 0, -ENOENT, -ENOBUFS.
int ctl_allocation_delete(struct ctl_store *store, struct tp_alloc_ref ref,
	enum tp_end_reason reason, struct ctl_time now, struct ctl_change *change);

// Ends one relayed address of a dual allocation with its permissions and channels: ALLOC_SET
// without it; its port rests like that of an allocation. The other family stays untouched (RFC 8656
// section 8.2). -EAFNOSUPPORT the allocation does not have that family (any more); -EBUSY it is the
// only one left (delete the allocation); -ENOENT; -ENOBUFS. `change` may be NULL when nobody waits.
int ctl_allocation_close_family(struct ctl_store *store, struct tp_alloc_ref ref, uint8_t family,
	struct ctl_time now, struct ctl_change *change);

// Families that the allocation can be used with at `now`, CTL_FAMILY_BIT_*.
uint8_t ctl_allocation_families(const struct tp_alloc_record *record, struct ctl_time now);

// Asks the dataplane for the allocation's counters; the acknowledgement updates the snapshot.
// Returns the sequence, or 0 when it is gone or there is no room.
uint64_t ctl_allocation_poll_counters(struct ctl_store *store, struct tp_alloc_ref ref);

// Bytes that were relayed for an allocation of TCP, and were not told before. Nothing when it is
// gone.
void ctl_allocation_relayed(struct ctl_store *store, struct tp_alloc_ref ref, uint64_t up_bytes,
	uint64_t down_bytes, struct ctl_time now);

// Whether any relay address of this family is configured.
bool ctl_store_has_family(const struct ctl_store *store, uint8_t family);

// The user of an allocation: copies it to out (not terminated), returns its length.
#define CTL_USER_MAX_BYTES 513
size_t ctl_allocation_user(const struct ctl_store *store, const struct tp_alloc_record *record,
	uint8_t out[CTL_USER_MAX_BYTES]);

// Whether the allocation is that user's of that realm.
bool ctl_allocation_is_of(const struct ctl_store *store, const struct tp_alloc_record *record,
	uint16_t realm, const void *user, size_t user_length);
// The realm of its user as an index into the policy's; 0 when it is none of them any more.
uint16_t ctl_allocation_realm(const struct ctl_store *store, const struct tp_alloc_record *record);

// The relayed transport address [which] in the form that clients are told; family none if absent.
struct tp_addr ctl_allocation_public_relay(
	const struct ctl_store *store, const struct tp_alloc_record *record, int which);

// What stands at an index, live or not; ctl_allocation_get tells.
struct tp_alloc_ref ctl_allocation_ref(const struct ctl_store *store, uint32_t index);
// The two forms of a peer that is one of our relay addresses: as clients know it, and as the kernel
// here does. Any other address as it is.
struct tp_addr ctl_peer_public(const struct ctl_store *store, const struct tp_addr *peer);
struct tp_addr ctl_peer_private(const struct ctl_store *store, const struct tp_addr *peer);

// Walks live allocations by index: start with *index = 0; NULL at the end.
const struct tp_alloc_record *ctl_allocation_next(const struct ctl_store *store, uint32_t *index);

// Walks permissions and channels of an allocation: start with *peer = record->first_peer.
const struct tp_peer_record *ctl_peer_next(const struct ctl_store *store, uint32_t *peer);
