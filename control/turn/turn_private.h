// SPDX-License-Identifier: BSD-3-Clause
// The inside of struct ctl_turn, shared by the files of control/turn and by nobody else.
//
// Every request that is not answered at once lives in a transaction: a copy of its bytes, its
// parsed form, what it changed, and the response that waits. States:
//   LOOKUP    the user store has not answered yet
//   WAITING   commands are under way; answered when the last one is acknowledged
//   LISTENING its stream process has not said yet that it listens (RFC 6062)
//   DEFERRED  an earlier request of the same five-tuple is in one of the states above
//   APART     waits for a connection with a peer, while others of the five-tuple go on (far.h)
#pragma once

#include "control/alloc/mobility.h"
#include "control/auth/nonce.h"
#include "control/turn/replay.h"
#include "control/turn/turn.h"

#define CTL_BUSY_BUCKETS       1024 // five-tuples with a transaction under way
#define CTL_DEFERRED_MAX       32   // of one five-tuple
#define CTL_REPLAY_SECONDS     40   // RFC 8489 section 6.3.1
#define CTL_SPARE_TRANSACTIONS 64

enum ctl_transaction_state {
	CTL_TRANSACTION_RUNNING,
	CTL_TRANSACTION_LOOKUP,
	CTL_TRANSACTION_WAITING,
	CTL_TRANSACTION_DEFERRED,
	CTL_TRANSACTION_LISTENING,
	CTL_TRANSACTION_APART,
};

struct ctl_transaction {
	struct ctl_turn *turn;
	struct ctl_transaction *next;      // of the spare list or of a deferred queue
	struct ctl_transaction *busy_next; // of a bucket of busy five-tuples
	struct ctl_transaction *wait_next; // in order of commands
	struct ctl_transaction *deferred;  // first of those that wait for this one
	struct ctl_transaction *deferred_last;
	uint32_t n_deferred;
	enum ctl_transaction_state state;

	struct ctl_request request; // bytes point to the copy below
	struct stun_message message;
	enum ctl_turn_method_index method;

	// Where the response leaves from and goes to; as the request came, unless it asked for
	// something else (RFC 5780).
	struct tp_addr respond_from, respond_to;

	uint16_t realm; // the listener's

	// Set by authentication.
	bool refused; // whatever the user store says, because of `refusal`
	enum ctl_auth_failure refusal;
	bool authenticated;
	bool challenge;      // the response is a 401 or 438
	bool not_now;        // dropped without an answer: ctl_not_now
	bool listens;        // goes on as LISTENING
	bool apart;          // goes on as APART
	uint64_t give_up_ns; // of these two
	bool forgotten;      // the dataplane that brought it is gone: never answered
	struct ctl_key key;
	bool sha256;                  // the answer carries MESSAGE-INTEGRITY-SHA256
	struct ctl_key mac_key;       // of third-party authorization; length 0: a user
	uint32_t token_left_s;        // what the ACCESS-TOKEN still grants; 0: it has none
	struct stun_attr user;        // value and length: the copy below
	struct ctl_user_store *asked; // whose answer is or was waited for

	struct ctl_change change;
	struct ctl_replay_key replay_key;
	struct stun_writer writer;
	size_t response_length; // finished; 0: could not be built
	uint8_t response[CTL_RESPONSE_MAX_BYTES];
	uint8_t user_name[CTL_USER_MAX_BYTES];
	uint8_t bytes[CTL_REQUEST_MAX_BYTES];
};

// Realms, and whose each listener is.
struct ctl_realms {
	char *name[CONF_MAX_REALMS];
	size_t n;
	struct ctl_realm_listener {
		struct tp_addr address;
		uint32_t transports; // bits, by enum ctl_transport
		uint16_t realm;
	} listener[CONF_MAX_LISTENERS];
	size_t n_listeners;
	enum conf_rest_expiry rest_expiry;
};

struct ctl_turn {
	struct ctl_store *store;
	struct ctl_user_store *users;
	const struct ctl_acl *acl;
	struct ctl_crypto *crypto;
	struct ctl_oauth *oauth; // NULL: no third-party authorization
	ctl_turn_send_fn send;
	void *send_context;
	struct ctl_random random;
	struct ctl_time now; // of the event being handled

	struct ctl_realms *realms;
	char *software;
	uint32_t nonce_lifetime_s;
	uint32_t allocation_default_s;
	uint32_t allocation_max_s;
	bool mobility, relays_tcp;
	struct conf_discovery discovery[2];
	bool classic;    // clients of RFC 3489 are answered
	bool draft_dual; // 0x8032 asks for a dual allocation, too
	struct conf_alternates alternate;
	uint32_t alternate_next[2]; // whose turn it is, by family of the client

	uint32_t max_pending;
	struct tp_siphash_key key;
	struct ctl_transaction *busy[CTL_BUSY_BUCKETS];
	struct ctl_transaction *waiting, *waiting_last;
	struct ctl_transaction *spare;
	uint32_t n_spare;
	struct ctl_fars *fars; // far.c; NULL before there is one
	uint32_t listening;    // transactions in that state
	uint32_t binds;        // that wait for a connection to be handed over
	uint32_t apart;        // transactions that wait for a peer, of those pending
	ctl_turn_tell_fn tell;
	void *tell_context;
	struct ctl_replay replay;
	struct ctl_turn_counters counters;
};

// Whom a request is from (allocation.h).
static inline struct tp_addr ctl_request_key(const struct ctl_request *q)
{
	return ctl_client_key(q->transport, &q->client, q->stream);
}

// ---- request.c
// Runs a transaction whose five-tuple is free. It may be over when this returns.
void ctl_transaction_run(struct ctl_transaction *t);

// ---- transaction.c
struct ctl_transaction *ctl_transaction_new(
	struct ctl_turn *turn, const struct ctl_request *request);
void ctl_transaction_free(struct ctl_transaction *t);
// The transaction under way on the same five-tuple, or NULL.
struct ctl_transaction *ctl_transaction_busy(
	struct ctl_turn *turn, const struct ctl_request *request);
// Puts t behind the busy one; false when the queue is full or t is a retransmission of what is
// there already (the caller frees it).
bool ctl_transaction_defer(struct ctl_transaction *busy, struct ctl_transaction *t);
// Marks the five-tuple busy.
void ctl_transaction_hold(struct ctl_transaction *t, enum ctl_transaction_state state);
// Frees what was deferred behind t, unanswered.
void ctl_transaction_drop_deferred(struct ctl_transaction *t);
// The dataplane is gone: drops all that is deferred, and marks all that hold a five-tuple.
void ctl_transaction_forget_all(struct ctl_turn *turn);
// Gives the five-tuple of t free for what was deferred behind it; t is the caller's.
void ctl_transaction_part(struct ctl_transaction *t);
// Ends t and runs what was deferred behind it.
void ctl_transaction_end(struct ctl_transaction *t);

// ---- response.c
// Begins the success response; the method adds its attributes to t->writer.
void ctl_response_begin(struct ctl_transaction *t);
// Finishes the success response; it is sent when the change's last command is acknowledged, or at
// once when there is none.
void ctl_response_success(struct ctl_transaction *t);
// Only finishes it, for who sends it in another way.
void ctl_response_build(struct ctl_transaction *t);
// Sends what ctl_response_success finished.
void ctl_response_release(struct ctl_transaction *t);
// Sends an error response at once.
void ctl_response_error(struct ctl_transaction *t, enum stun_err code);
void ctl_response_unknown(struct ctl_transaction *t, const uint16_t *types, size_t count);
// 401 and 438: with REALM and a fresh NONCE, without integrity and SOFTWARE.
void ctl_response_challenge(struct ctl_transaction *t, enum stun_err code);

// ---- authenticate.c
// RFC 8489 section 9.2.4. Calls ctl_request_authenticated, or answers with an error.
void ctl_authenticate(struct ctl_transaction *t);
// The last check of both mechanisms, of a request whose integrity is right: the nonce. Then calls
// ctl_request_authenticated, or answers 438.
void ctl_authenticate_nonce(struct ctl_transaction *t);

// ---- third_party.c: third-party authorization (RFC 7635).
// Takes a request whose integrity is `mi` if it is one of this mechanism: goes on or answers 401.
// False, and nothing done: the long-term mechanism's.
bool ctl_third_party_authenticate(struct ctl_transaction *t, const struct stun_attr *mi);
// Whether ACCESS-TOKEN is understood.
bool ctl_third_party_understood(const struct ctl_transaction *t, uint16_t type);
// Whether the request comes with the session key of the allocation; false where neither has one.
bool ctl_third_party_same(const struct ctl_transaction *t, const struct tp_alloc_record *record);
// Whether the request renews the token of an allocation that a token made (section 9).
bool ctl_third_party_renews(const struct ctl_transaction *t, const struct tp_alloc_record *record);
// A lifetime as far as the request's token grants it.
uint32_t ctl_third_party_limit(const struct ctl_transaction *t, uint32_t lifetime_s);

// ---- realms.c
int ctl_realms_create(const struct conf *conf, struct ctl_realms **out); // 0, -ENOMEM
void ctl_realms_destroy(struct ctl_realms *realms);
// Index of the realm of the listener that a request came to; 0 where it is none of ours.
uint16_t ctl_realms_find(const struct ctl_realms *realms, const struct ctl_request *request);

// ---- request.c
void ctl_request_authenticated(struct ctl_transaction *t);

// ---- method_*.c: an authenticated, comprehensible request; STUN_OK when ctl_response_success was
// called, else the error to send (changes so far are rolled back by the caller).
// A comprehensible Binding request, which needs no authentication.
enum stun_err ctl_method_binding(struct ctl_transaction *t);
enum stun_err ctl_method_allocate(struct ctl_transaction *t);
enum stun_err ctl_method_refresh(struct ctl_transaction *t);
enum stun_err ctl_method_create_permission(struct ctl_transaction *t);
enum stun_err ctl_method_channel_bind(struct ctl_transaction *t);
enum stun_err ctl_method_connect(struct ctl_transaction *t);
enum stun_err ctl_method_connection_bind(struct ctl_transaction *t);
// The allocation of the connection that a ConnectionBind names; NULL for all else.
const struct tp_alloc_record *ctl_connection_bind_allocation(const struct ctl_transaction *t);

// ---- over_tcp.c, far.c: TCP allocations (RFC 6062); the rest of them is in far.h.
// The allocation ends, or its relayed address of one family (ctl_store_ended_fn).
void ctl_over_tcp_ended(void *turn, const struct tp_alloc_record *record, uint8_t family);
// The connection is gone, with `t` under way on it, if any. True: t was ended.
bool ctl_over_tcp_closed(
	struct ctl_turn *turn, struct ctl_transaction *t, const struct ctl_request *gone);
void ctl_over_tcp_tick(struct ctl_turn *turn);
void ctl_fars_destroy(struct ctl_turn *turn);

// ---- discovery.c: NAT behaviour discovery (RFC 5780), for Binding requests.
// Whether an attribute of discovery is understood at the request's listener.
bool ctl_discovery_understood(const struct ctl_transaction *t, uint16_t type);
// Decides where the response goes; 400. Nothing to do at listeners that take no part.
enum stun_err ctl_discovery_direct(struct ctl_transaction *t);
// Adds to the begun success response what discovery asks for.
void ctl_discovery_write(struct ctl_transaction *t);

// ---- alternate.c: sending clients to another server.
// Whether this Allocate, which could be served, is answered 300.
bool ctl_alternate_always(const struct ctl_transaction *t, const struct ctl_allocation_request *q);
// The same for one that the store refused with `rc`: because it is full.
bool ctl_alternate_when(
	const struct ctl_transaction *t, const struct ctl_allocation_request *q, int rc);
// The attributes of a 300.
void ctl_alternate_write(struct ctl_transaction *t);

// ---- classic.c: clients of RFC 3489.
// Answers a request of one; false when it is none, or they are not served: then it is malformed.
bool ctl_classic_request(struct ctl_turn *turn, const struct ctl_request *request);

// ---- mobility.c: tickets (RFC 8016).
// Whether an Allocate asks for one: 400 not empty, 405 mobility is off.
enum stun_err ctl_mobility_asked(struct ctl_transaction *t, bool *out);
// Adds the allocation's newest ticket to the begun response; 500 without randomness or memory.
enum stun_err ctl_mobility_write(struct ctl_transaction *t, const struct tp_alloc_record *r);
// Whether a Refresh has a ticket.
bool ctl_mobility_ticketed(struct ctl_transaction *t, struct stun_attr *ticket);
// The allocation of a Refresh with a ticket, and whether it was answered before: 405, 400, 437,
// 441.
enum stun_err ctl_mobility_find(struct ctl_transaction *t, const struct stun_attr *ticket,
	const struct tp_alloc_record **out, bool *repeated);
// Answers once more; begins the move.
enum stun_err ctl_mobility_repeat(struct ctl_transaction *t, const struct tp_alloc_record *r);
enum stun_err ctl_mobility_move(
	struct ctl_transaction *t, const struct tp_alloc_record *r, uint32_t lifetime_s);

// ---- common.c: what several methods need.
// Whether the allocation has changes under way that came from its other five-tuple. The request is
// then dropped, whatever the method returns: its client retransmits.
bool ctl_not_now(struct ctl_transaction *t, const struct tp_alloc_record *record);
// The allocation of the request's five-tuple: 437 when there is none, 441 when it is another
// user's.
enum stun_err ctl_require_allocation(struct ctl_transaction *t, const struct tp_alloc_record **out);
bool ctl_same_user(struct ctl_transaction *t, const struct tp_alloc_record *record);
// LIFETIME as granted (RFC 8656 section 7.2), 0 only when asked for; 400 when malformed.
enum stun_err ctl_granted_lifetime(struct ctl_transaction *t, uint32_t *out_s);
// An address family attribute: TP_FAMILY_NONE when absent; 400 malformed, 440 neither IPv4 nor
// IPv6.
enum stun_err ctl_requested_family(struct ctl_transaction *t, uint16_t type, uint8_t *out);
// A peer that the policy and the allocation's families admit: 443, 403.
enum stun_err ctl_check_peer(struct ctl_transaction *t, const struct tp_alloc_record *record,
	const struct tp_addr *peer);
// What an errno of the store means to a client.
enum stun_err ctl_error_of(int rc);
