// SPDX-License-Identifier: BSD-3-Clause
// A request's way: read, class and method, replay, authentication (400, 401, 438), unknown
// attributes (420), method, response. docs/request-path.md tells it in words.
#include <assert.h>
#include <errno.h>

#include "common/base/clock.h"
#include "control/turn/turn_private.h"

// As many attributes as the longest request can have: UNKNOWN-ATTRIBUTES lists each that is
// unknown.
#define UNKNOWN_MAX ((CTL_REQUEST_MAX_BYTES - STUN_HEADER_BYTES) / STUN_ATTR_HEADER_BYTES)
// Two bytes for four: the answer always fits, and is shorter than such a request.
static_assert(2 * UNKNOWN_MAX + 512 <= CTL_RESPONSE_MAX_BYTES);

struct method {
	uint16_t stun;
	enum ctl_turn_method_index index;
	enum stun_err (*handle)(struct ctl_transaction *t);
};

static const struct method methods[] = {
	{STUN_BINDING, CTL_METHOD_BINDING, ctl_method_binding},
	{STUN_ALLOCATE, CTL_METHOD_ALLOCATE, ctl_method_allocate},
	{STUN_REFRESH, CTL_METHOD_REFRESH, ctl_method_refresh},
	{STUN_CREATE_PERMISSION, CTL_METHOD_CREATE_PERMISSION, ctl_method_create_permission},
	{STUN_CHANNEL_BIND, CTL_METHOD_CHANNEL_BIND, ctl_method_channel_bind},
	{STUN_CONNECT, CTL_METHOD_CONNECT, ctl_method_connect},
	{STUN_CONNECTION_BIND, CTL_METHOD_CONNECTION_BIND, ctl_method_connection_bind},
};

static const struct method *find_method(uint16_t stun)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].stun == stun)
			return &methods[i];
	return NULL;
}

// RFC 8489 section 6.3.1.
static bool comprehensible(struct ctl_transaction *t)
{
	uint16_t types[UNKNOWN_MAX];
	size_t found = stun_unknown_required(&t->message, types, UNKNOWN_MAX), n = 0;
	for (size_t i = 0; i < found; i++)
		if (!ctl_discovery_understood(t, types[i]) &&
			!ctl_third_party_understood(t, types[i]))
			types[n++] = types[i];
	if (n == 0)
		return true;
	ctl_response_unknown(t, types, n);
	return false;
}

static void append_waiting(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	t->wait_next = NULL;
	if (turn->waiting)
		turn->waiting_last->wait_next = t;
	else
		turn->waiting = t;
	turn->waiting_last = t;
}

static void handle(struct ctl_transaction *t)
{
	enum stun_err code = find_method(t->message.method)->handle(t);
	if (t->not_now) {
		t->turn->counters.overload++;
	} else if (code != STUN_OK) {
		ctl_change_rollback(t->turn->store, &t->change, t->turn->now);
		ctl_response_error(t, code);
	} else if (t->change.first_sequence != 0) {
		ctl_allocation_hold(t->turn->store, t->change.alloc);
		ctl_transaction_hold(t, CTL_TRANSACTION_WAITING);
		append_waiting(t);
		return;
	} else if (t->listens) {
		ctl_transaction_hold(t, CTL_TRANSACTION_LISTENING);
		t->turn->listening++;
		return;
	} else if (t->apart) {
		ctl_transaction_part(t);
		return;
	}
	ctl_transaction_end(t);
}

void ctl_request_authenticated(struct ctl_transaction *t)
{
	if (comprehensible(t))
		handle(t);
	else
		ctl_transaction_end(t);
}

// A Binding request needs no credentials, changes nothing and waits for nobody.
static void run_binding(struct ctl_transaction *t)
{
	if (comprehensible(t))
		handle(t);
	else
		ctl_transaction_end(t);
}

void ctl_transaction_run(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	const struct ctl_replay_entry *e =
		ctl_replay_find(&turn->replay, &t->replay_key, turn->now.now_ns);
	if (e) {
		turn->counters.replayed++;
		turn->send(turn->send_context, &t->request.reply_to, &t->request.listener,
			&t->request.client, e->response, e->length);
		ctl_transaction_end(t);
		return;
	}
	ctl_authenticate(t);
}

void ctl_turn_request(struct ctl_turn *turn, const struct ctl_request *q, struct ctl_time now)
{
	struct stun_message m;
	turn->now = now;

	// RFC 8489 section 6.3: what is malformed, or no request of ours, is silently discarded.
	// Only clients of RFC 3489 do without the magic cookie.
	if (ctl_classic_request(turn, q))
		return;
	if (q->length > CTL_REQUEST_MAX_BYTES ||
		stun_read(q->bytes, q->length, &m) != STUN_READ_OK ||
		(stun_has_fingerprint(&m) && !stun_fingerprint_ok(&m))) {
		turn->counters.malformed++;
		return;
	}
	if (m.class != STUN_REQUEST) {
		turn->counters.not_a_request++;
		return;
	}
	const struct method *method = find_method(m.method);
	turn->counters.requests[method ? method->index : CTL_METHOD_OTHER]++;
	if (!method)
		return;
	if (turn->counters.pending >= turn->max_pending) {
		turn->counters.overload++;
		return;
	}
	struct ctl_transaction *t = ctl_transaction_new(turn, q);
	if (!t) {
		turn->counters.overload++;
		return;
	}
	stun_read(t->request.bytes, t->request.length, &t->message); // once more, over the copy
	t->method = method->index;
	if (m.method == STUN_BINDING) {
		run_binding(t);
		return;
	}
	t->realm = ctl_realms_find(turn->realms, q);
	t->replay_key = ctl_replay_key_of(&turn->replay, &t->request);
	struct ctl_transaction *busy = ctl_transaction_busy(turn, q);
	if (!busy) {
		ctl_transaction_run(t);
	} else if (!ctl_transaction_defer(busy, t)) {
		turn->counters.overload++;
		ctl_transaction_free(t);
	}
}

void ctl_turn_closed(struct ctl_turn *turn, const struct ctl_request *q)
{
	struct ctl_transaction *t = ctl_transaction_busy(turn, q);
	if (t)
		ctl_transaction_drop_deferred(t);
	if (ctl_over_tcp_closed(turn, t, q) || !t)
		return;
	t->forgotten = true;
}

// ---- Acknowledgements.

static struct ctl_transaction *take_waiting(struct ctl_turn *turn)
{
	struct ctl_transaction *t = turn->waiting;
	turn->waiting = t->wait_next;
	ctl_allocation_release(turn->store, t->change.alloc);
	return t;
}

static void complete(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	if (t->change.result == 0) {
		ctl_response_release(t);
	} else {
		turn->counters.refused_by_dataplane++;
		ctl_change_rollback(turn->store, &t->change, turn->now);
		ctl_response_error(t, STUN_ERR_INSUFFICIENT_CAPACITY);
	}
	ctl_transaction_end(t);
}

void ctl_turn_ack(struct ctl_turn *turn, const struct tp_ack *ack, struct ctl_time now)
{
	turn->now = now;
	struct ctl_transaction *t = turn->waiting;
	while (t && t->change.last_sequence < ack->sequence) {
		t->change.result = -EIO; // its own acknowledgement never came
		complete(take_waiting(turn));
		t = turn->waiting;
	}
	bool of_change = t && ack->sequence >= t->change.first_sequence &&
			 ack->sequence <= t->change.last_sequence;
	ctl_store_ack(turn->store, ack, of_change, now);
	if (of_change && ctl_change_ack(&t->change, ack))
		complete(take_waiting(turn));
}

void ctl_turn_detach(struct ctl_turn *turn, struct ctl_time now)
{
	turn->now = now;
	// Those that wait behind others and those whose user is being looked up are forgotten as
	// well: their clients ask again, and are not to meet a 508 in the replay memory then.
	ctl_transaction_forget_all(turn);
	while (turn->waiting) {
		struct ctl_transaction *t = take_waiting(turn);
		ctl_change_rollback(turn->store, &t->change, now);
		ctl_transaction_end(t);
	}
}

void ctl_turn_tick(struct ctl_turn *turn, struct ctl_time now)
{
	turn->now = now;
	ctl_over_tcp_tick(turn);
	ctl_replay_expire(&turn->replay, now.now_ns);
	ctl_nonce_rotate(ctl_store_nonce_keys(turn->store), now.wall_ns, turn->nonce_lifetime_s,
		&turn->random);
}
