// SPDX-License-Identifier: BSD-3-Clause
// STUN and TURN requests (RFC 8489, RFC 8656): bytes in, bytes out, the store changed in between.
// No sockets, no clock. A success is sent when the dataplane has acknowledged the last command of
// its request; until then later requests of the same five-tuple wait their turn.
#pragma once

#include "common/abi/memory.h"
#include "config/conf.h"
#include "control/alloc/acl.h"
#include "control/alloc/allocation.h"
#include "control/auth/oauth.h"
#include "control/auth/users.h"

#define CTL_REQUEST_MAX_BYTES  TP_PACKET_SLOT_BYTES
#define CTL_RESPONSE_MAX_BYTES 1900 // fits an inject slot, and the longest realm and software

// The way back, opaque to this folder: copied from the request to its response.
struct ctl_reply_to {
	struct tp_stream_client stream; // of a connection; zero: by a worker
	uint8_t bytes[32];
};

struct ctl_request {
	struct tp_addr client;          // source
	struct tp_addr listener;        // destination, as configured
	uint8_t transport;              // enum ctl_transport
	struct tp_stream_client stream; // of another transport than UDP: its connection
	struct ctl_reply_to reply_to;
	const uint8_t *bytes; // one STUN message, valid during the call
	size_t length;
};

// Sends a response back the way its request came: source is the listener, destination the client.
// Called from within ctl_turn_request, ctl_turn_ack and a user store's answer. Bytes are valid
// during the call.
typedef void (*ctl_turn_send_fn)(void *context, const struct ctl_reply_to *reply_to,
	const struct tp_addr *source, const struct tp_addr *destination, const uint8_t *bytes,
	size_t length);

// Tells the stream process of `to` something about its connection, or (connection 0) about none:
// common/abi/stream.h. False: it is away, or does not keep up.
typedef bool (*ctl_turn_tell_fn)(void *context, enum tp_stream_note_kind kind,
	struct tp_stream_client to, const void *payload, size_t length);

struct ctl_turn_options {
	const struct conf *conf;      // realms, software, lifetimes, third-party keys: copied
	struct ctl_store *store;      // adopted; outlives the turn object
	struct ctl_user_store *users; // outlives it
	const struct ctl_acl *acl;    // outlives it
	ctl_turn_send_fn send;
	void *send_context;
	ctl_turn_tell_fn tell; // NULL: no TCP allocations
	void *tell_context;
	struct ctl_random random;
	uint32_t max_pending;  // requests that wait for the dataplane or a user store; 0: 4096
	uint32_t replay_slots; // remembered responses; 0: 65536
};

struct ctl_turn;

// 0, -ENOMEM, -EINVAL, -errno of crypto.
int ctl_turn_create(const struct ctl_turn_options *options, struct ctl_turn **out);
void ctl_turn_destroy(struct ctl_turn *turn);

// Handles one datagram (or one message of a stream). Anything that is no request is counted and
// dropped without an answer.
void ctl_turn_request(
	struct ctl_turn *turn, const struct ctl_request *request, struct ctl_time now);

// The connection that `request` names is gone: whatever still waits of it is never answered and
// makes nothing any more. Its allocation is the caller's to end (control/alloc/connection.h).
void ctl_turn_closed(struct ctl_turn *turn, const struct ctl_request *request);

// ---- TCP allocations (RFC 6062), which stream processes carry.

struct ctl_far_note {
	uint16_t kind;                    // TP_STREAM_LISTENED, TP_STREAM_FAR_*
	uint32_t stream;                  // whose note it is
	const struct ctl_request *client; // the announced connection that it names, or NULL
	const void *payload;
	size_t length;
};
// What a process tells. False: it contradicts itself.
bool ctl_turn_far_note(struct ctl_turn *turn, const struct ctl_far_note *note, struct ctl_time now);
// A connection was announced; it may be that of an allocation that a control before us made.
void ctl_turn_opened(struct ctl_turn *turn, const struct ctl_request *opened, struct ctl_time now);
// This process is gone, or will tell all that it has anew.
void ctl_turn_stream_gone(struct ctl_turn *turn, uint32_t stream, struct ctl_time now);
// `stream` has handed over the socket of connection `id`. Returns the process that it is to be
// given to, with *out, and then ctl_turn_far_delivered is due; 0: it is to be closed.
uint32_t ctl_turn_far_handed(struct ctl_turn *turn, uint32_t stream, uint32_t id,
	struct tp_stream_far *out, struct ctl_time now);
void ctl_turn_far_delivered(struct ctl_turn *turn, uint32_t id, bool sent, struct ctl_time now);

// For the operator: connection number `i` of an allocation; false beyond the last.
struct ctl_far_view {
	uint32_t id; // CONNECTION-ID
	struct tp_addr peer;
	const char *state; // "connecting", "waiting", "bound"
};
bool ctl_turn_far_view(const struct ctl_turn *turn, struct tp_alloc_ref alloc, uint32_t i,
	struct ctl_far_view *out);

// Feeds one acknowledgement of the dataplane, of whatever command, in order.
void ctl_turn_ack(struct ctl_turn *turn, const struct tp_ack *ack, struct ctl_time now);

// The dataplane is gone: pending changes are taken back in the records, nobody is answered (clients
// retransmit), not even when a user store answers later. No room for commands until it is back.
void ctl_turn_detach(struct ctl_turn *turn, struct ctl_time now);

// Housekeeping, about once a second: rotates nonce keys, forgets old responses.
void ctl_turn_tick(struct ctl_turn *turn, struct ctl_time now);

// After a reload of the config: software, nonce and allocation lifetimes, realms. Listeners are
// those of the old one. 0, or -ENOMEM and nothing changed.
int ctl_turn_renew(struct ctl_turn *turn, const struct conf *conf);
// Another ACL. The old one may be freed afterwards.
void ctl_turn_set_acl(struct ctl_turn *turn, const struct ctl_acl *acl);
// Other users, for requests from now on. The old store may be destroyed once its lookups under way
// are answered (under_way).
void ctl_turn_set_users(struct ctl_turn *turn, struct ctl_user_store *users);
// Realms of the configuration, by listener, and its rest_expiry: copied. Of the same configuration
// as users and the store's policy. 0; -ENOMEM: the old ones stay.
int ctl_turn_set_realms(struct ctl_turn *turn, const struct conf *conf);

enum ctl_turn_method_index {
	CTL_METHOD_BINDING,
	CTL_METHOD_ALLOCATE,
	CTL_METHOD_REFRESH,
	CTL_METHOD_CREATE_PERMISSION,
	CTL_METHOD_CHANNEL_BIND,
	CTL_METHOD_CONNECT,
	CTL_METHOD_CONNECTION_BIND,
	CTL_METHOD_OTHER,
	CTL_METHODS,
};

enum ctl_turn_error_index {
#define STUN_ERR(name, code, reason) CTL_ERROR_##name,
#include "common/wire/stun_err.def"
#undef STUN_ERR
	CTL_ERRORS,
};

// Totals since the object was made.
struct ctl_turn_counters {
	uint64_t requests[CTL_METHODS];
	uint64_t successes[CTL_METHODS];
	uint64_t errors[CTL_METHODS][CTL_ERRORS];
	uint64_t auth_failures[CTL_AUTH_FAILURES];
	uint64_t replayed;      // retransmissions answered from memory or from the record
	uint64_t malformed;     // no STUN message, or a wrong FINGERPRINT
	uint64_t not_a_request; // indications and responses
	uint64_t refused_by_dataplane;
	uint64_t overload; // dropped: too many pending, or one of another five-tuple under way
	uint64_t oauth[CTL_OAUTH_RESULTS]; // access tokens
	uint64_t pending;                  // now
	uint64_t connections;              // now, with peers, of TCP allocations
};
const struct ctl_turn_counters *ctl_turn_counters(const struct ctl_turn *turn);

// Tells the memory of the index of remembered answers.
void ctl_turn_memory(const struct ctl_turn *turn, struct tp_memory *out);

// "allocate"; "437"; NULL beyond the last one: names for metrics and tools.
const char *ctl_turn_method_label(unsigned int method);
int ctl_turn_error_code(unsigned int error);
