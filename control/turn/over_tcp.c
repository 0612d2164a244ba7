// SPDX-License-Identifier: BSD-3-Clause
// TCP allocations: what stream processes are told, what they tell, and what both mean for the
// clients.
#include <errno.h>
#include <stddef.h>

#include "common/base/clock.h"
#include "control/alloc/permission.h"
#include "control/turn/far.h"

#define ANSWER_NS  (10 * TP_NS_PER_S) // for a process to answer LISTEN or FAR_HAND_OVER
#define ERRNO_MOST 4095

// FAR_BIND carries the answer to its ConnectionBind.
struct bind_note {
	struct tp_stream_far far;
	uint8_t response[CTL_RESPONSE_MAX_BYTES];
};
static_assert(sizeof(struct bind_note) <= TP_STREAM_NOTE_PAYLOAD);

// ---- telling

static bool tell(struct ctl_turn *turn, enum tp_stream_note_kind kind, struct tp_stream_client to,
	const void *payload, size_t length)
{
	return turn->tell && turn->tell(turn->tell_context, kind, to, payload, length);
}

static struct tp_stream_far said_of(const struct ctl_turn *turn, const struct ctl_far *far)
{
	struct tp_stream_far said = {.id = far->id,
		.owner = far->owner,
		.relay = far->relay,
		.peer = ctl_peer_private(turn->store, &far->peer),
		.state = far->state,
		.rate_bytes_per_s = ctl_store_policy(turn->store)->rate_bytes_per_s};

	memcpy(said.transaction_id, far->transaction_id, sizeof(said.transaction_id));
	return said;
}

bool ctl_far_tell(struct ctl_turn *turn, enum tp_stream_note_kind kind, uint32_t stream,
	const struct ctl_far *far)
{
	struct tp_stream_far said = said_of(turn, far);

	return tell(turn, kind, (struct tp_stream_client){.stream = stream}, &said, sizeof(said));
}

// Of one that is not known here.
static void refuse(struct ctl_turn *turn, uint32_t stream, uint32_t id)
{
	struct tp_stream_far said = {.id = id};

	tell(turn, TP_STREAM_FAR_CLOSE, (struct tp_stream_client){.stream = stream}, &said,
		sizeof(said));
}

// ---- listening

static bool tell_listen(
	struct ctl_turn *turn, struct tp_stream_client to, const struct tp_alloc_record *r)
{
	struct tp_stream_listen listen = {.relay = {r->relay[0], r->relay[1]}};

	return tell(turn, TP_STREAM_LISTEN, to, &listen, sizeof(listen));
}

enum stun_err ctl_over_tcp_listen(struct ctl_transaction *t, const struct tp_alloc_record *r)
{
	if (!tell_listen(t->turn, t->request.stream, r)) {
		t->change.result = -ENOBUFS;
		return STUN_ERR_INSUFFICIENT_CAPACITY;
	}
	t->listens = true;
	t->give_up_ns = t->turn->now.now_ns + ANSWER_NS;
	return STUN_OK;
}

static void listen_done(struct ctl_transaction *t, int error)
{
	struct ctl_turn *turn = t->turn;

	if (error) {
		t->change.result = -error; // nobody listened: the port is as good as new
		ctl_change_rollback(turn->store, &t->change, turn->now);
		ctl_response_error(t, STUN_ERR_INSUFFICIENT_CAPACITY);
	} else {
		ctl_response_release(t);
	}
	turn->listening--;
	ctl_transaction_end(t);
}

static const struct tp_alloc_record *allocation_of(
	const struct ctl_turn *turn, struct tp_stream_client owner)
{
	struct tp_addr key = tp_stream_address(owner);
	const struct tp_alloc_record *r =
		ctl_allocation_find(turn->store, CTL_TRANSPORT_TCP, &key, &key, turn->now);

	return r && ctl_over_tcp(r) ? r : NULL;
}

static void take_listened(struct ctl_turn *turn, const struct ctl_request *owner, int error)
{
	struct ctl_transaction *t = ctl_transaction_busy(turn, owner);
	const struct tp_alloc_record *r;

	if (t && t->state == CTL_TRANSACTION_LISTENING) {
		listen_done(t, error);
		return;
	}
	r = allocation_of(turn, owner->stream);
	if (!r)
		tell(turn, TP_STREAM_UNLISTEN, owner->stream, NULL, 0);
	else if (error)
		ctl_allocation_delete(turn->store, r->self, TP_END_CLOSED, turn->now, NULL);
}

void ctl_turn_opened(struct ctl_turn *turn, const struct ctl_request *opened, struct ctl_time now)
{
	const struct tp_alloc_record *r;

	turn->now = now;
	r = allocation_of(turn, opened->stream);
	if (r) // of the control before: it may have died between record and LISTEN
		tell_listen(turn, opened->stream, r);
}

// ---- connections

void ctl_far_connected(struct ctl_transaction *t, const struct ctl_far *far)
{
	ctl_response_begin(t);
	stun_write_u32(&t->writer, STUN_ATTR_CONNECTION_ID, far->id);
	ctl_response_success(t);
}

// Whoever waits for it is told that it does not come.
static void give_up(struct ctl_turn *turn, struct ctl_far *far, enum stun_err connect)
{
	struct ctl_transaction *t;

	t = far->connect;
	far->connect = NULL;
	if (t) {
		ctl_response_error(t, connect);
		ctl_transaction_free(t);
	}
	t = far->bind;
	far->bind = NULL;
	if (t) {
		turn->binds--;
		ctl_response_error(t, STUN_ERR_BAD_REQUEST);
		ctl_transaction_free(t);
	}
}

void ctl_far_close(struct ctl_turn *turn, struct ctl_far *far)
{
	give_up(turn, far, STUN_ERR_CONNECTION_TIMEOUT_OR_FAILURE);
	ctl_far_tell(turn, TP_STREAM_FAR_CLOSE, far->stream, far);
	ctl_far_remove(turn, far);
}

static void take_connected(struct ctl_turn *turn, struct ctl_far *far, int error)
{
	struct ctl_transaction *t = far->connect;

	if (error) {
		give_up(turn, far, STUN_ERR_CONNECTION_TIMEOUT_OR_FAILURE);
		ctl_far_remove(turn, far);
		return;
	}
	far->state = TP_STREAM_FAR_WAITING;
	far->connect = NULL;
	if (t) {
		ctl_far_connected(t, far);
		ctl_transaction_free(t);
	}
}

enum stun_err ctl_far_bind(struct ctl_transaction *t, struct ctl_far *far)
{
	struct ctl_turn *turn = t->turn;
	struct bind_note note;

	far->state = TP_STREAM_FAR_BOUND;
	note.far = said_of(turn, far);
	ctl_response_begin(t);
	ctl_response_build(t);
	memcpy(note.response, t->response, t->response_length);
	if (t->response_length == 0 || !tell(turn, TP_STREAM_FAR_BIND, t->request.stream, &note,
					       sizeof(note.far) + t->response_length)) {
		far->state = TP_STREAM_FAR_WAITING;
		return STUN_ERR_INSUFFICIENT_CAPACITY;
	}
	turn->counters.successes[t->method]++;
	return STUN_OK;
}

// RFC 6062 section 5.3. An indication: nobody answers it, and it has no integrity.
static void indicate(
	struct ctl_turn *turn, const struct ctl_request *owner, const struct ctl_far *far)
{
	uint8_t bytes[128], transaction_id[STUN_TRANSACTION_ID_BYTES];
	struct tp_addr peer = far->peer;
	struct stun_writer w;
	int length;

	if (turn->random.bytes(turn->random.context, transaction_id, sizeof(transaction_id)))
		return;
	stun_write_begin(
		&w, bytes, sizeof(bytes), STUN_INDICATION, STUN_CONNECTION_ATTEMPT, transaction_id);
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
	stun_write_u32(&w, STUN_ATTR_CONNECTION_ID, far->id);
	length = stun_write_finish(&w);
	if (length > 0)
		turn->send(turn->send_context, &owner->reply_to, &owner->listener, &owner->client,
			bytes, (size_t)length);
}

static struct ctl_far far_of(const struct ctl_turn *turn, uint32_t stream,
	struct tp_stream_client owner, const struct tp_alloc_record *r,
	const struct tp_stream_far *said)
{
	struct ctl_far far = {.id = said->id,
		.stream = stream,
		.alloc = r->self,
		.owner = owner,
		.relay = said->relay,
		.peer = ctl_peer_public(turn->store, &said->peer),
		.state = said->state};

	memcpy(far.transaction_id, said->transaction_id, sizeof(far.transaction_id));
	return far;
}

static bool relays_by(
	const struct ctl_turn *turn, const struct tp_alloc_record *r, const struct tp_addr *relay)
{
	uint8_t bit =
		relay->ip.family == TP_FAMILY_IPV6 ? CTL_FAMILY_BIT_IPV6 : CTL_FAMILY_BIT_IPV4;

	return (ctl_allocation_families(r, turn->now) & bit) &&
	       (tp_addr_equal(relay, &r->relay[0]) || tp_addr_equal(relay, &r->relay[1]));
}

// A client may name a relay address of ours by either form.
static bool permitted(
	const struct ctl_turn *turn, const struct tp_alloc_record *r, const struct tp_addr *peer)
{
	struct tp_addr form = ctl_peer_public(turn->store, peer);

	return ctl_permission_allows(turn->store, r->self, &peer->ip, turn->now) ||
	       ctl_permission_allows(turn->store, r->self, &form.ip, turn->now);
}

// A peer came to the relayed address; without a permission it goes at once.
static void take_came(
	struct ctl_turn *turn, const struct ctl_request *owner, const struct tp_stream_far *said)
{
	const struct tp_alloc_record *r = allocation_of(turn, owner->stream);
	struct ctl_far far, *added;

	if (!r)
		tell(turn, TP_STREAM_UNLISTEN, owner->stream, NULL, 0);
	if (!r || ctl_far_find(turn, said->id) || !relays_by(turn, r, &said->relay) ||
		!permitted(turn, r, &said->peer) ||
		ctl_far_count(turn, r->self) >= CTL_FARS_PER_ALLOCATION) {
		refuse(turn, owner->stream.stream, said->id);
		return;
	}
	far = far_of(turn, owner->stream.stream, owner->stream, r, said);
	far.state = TP_STREAM_FAR_WAITING;
	added = ctl_far_add(turn, &far);
	if (!added || !ctl_far_tell(turn, TP_STREAM_FAR_ADMIT, far.stream, added)) {
		if (added)
			ctl_far_remove(turn, added);
		refuse(turn, far.stream, said->id);
		return;
	}
	indicate(turn, owner, added);
}

// What a connection relayed that is not known here (now): its allocation may be.
static void account_unknown(struct ctl_turn *turn, const struct tp_stream_far *said)
{
	const struct tp_alloc_record *r = allocation_of(turn, said->owner);

	if (r && relays_by(turn, r, &said->relay))
		ctl_allocation_relayed(
			turn->store, r->self, said->up_bytes, said->down_bytes, turn->now);
}

// What a process has, told to a control that is new. Only what is bound may be in another one than
// its control connection.
static void take_is(
	struct ctl_turn *turn, const struct ctl_far_note *n, const struct tp_stream_far *said)
{
	const struct tp_alloc_record *r = allocation_of(turn, said->owner);
	struct ctl_far far;

	if (said->state == TP_STREAM_FAR_UNJUDGED && n->client) {
		take_came(turn, n->client, said);
		return;
	}
	if (!ctl_far_find(turn, said->id))
		account_unknown(turn, said);
	if (r && said->state != TP_STREAM_FAR_UNJUDGED && !ctl_far_find(turn, said->id) &&
		ctl_far_count(turn, r->self) < CTL_FARS_PER_ALLOCATION &&
		relays_by(turn, r, &said->relay) &&
		(said->state == TP_STREAM_FAR_BOUND || said->owner.stream == n->stream)) {
		far = far_of(turn, n->stream, said->owner, r, said);
		if (ctl_far_add(turn, &far))
			return;
	}
	refuse(turn, n->stream, said->id);
}

static void take_about(
	struct ctl_turn *turn, uint16_t kind, uint32_t stream, const struct tp_stream_far *said)
{
	struct ctl_far *far = ctl_far_find(turn, said->id);

	if (!far || far->stream != stream) {
		if (!far)
			account_unknown(turn, said);
		if (kind != TP_STREAM_FAR_GONE)
			refuse(turn, stream, said->id);
		return;
	}
	ctl_allocation_relayed(
		turn->store, far->alloc, said->up_bytes, said->down_bytes, turn->now);
	if (kind == TP_STREAM_FAR_CONNECTED && far->state == TP_STREAM_FAR_CONNECTING) {
		take_connected(turn, far, said->error);
	} else if (kind == TP_STREAM_FAR_GONE) {
		give_up(turn, far, STUN_ERR_CONNECTION_TIMEOUT_OR_FAILURE);
		ctl_far_remove(turn, far);
	}
}

static bool addr_ok(const struct tp_addr *a)
{
	return a->port != 0 && (a->ip.family == TP_FAMILY_IPV4 || a->ip.family == TP_FAMILY_IPV6);
}

static bool far_ok(const struct tp_stream_far *f, uint16_t kind)
{
	if (f->id == 0)
		return false;
	return (kind != TP_STREAM_FAR_CAME && kind != TP_STREAM_FAR_IS) ||
	       (f->state >= TP_STREAM_FAR_CONNECTING && f->state <= TP_STREAM_FAR_BOUND &&
		       addr_ok(&f->relay) && addr_ok(&f->peer) &&
		       f->relay.ip.family == f->peer.ip.family);
}

bool ctl_turn_far_note(struct ctl_turn *turn, const struct ctl_far_note *n, struct ctl_time now)
{
	struct tp_stream_listened listened;
	struct tp_stream_far far;

	turn->now = now;
	if (n->kind == TP_STREAM_LISTENED) {
		if (!n->client || n->length != sizeof(listened))
			return false;
		memcpy(&listened, n->payload, sizeof(listened));
		if (listened.error < 0 || listened.error > ERRNO_MOST)
			return false;
		take_listened(turn, n->client, listened.error);
		return true;
	}
	if (n->length != sizeof(far))
		return false;
	memcpy(&far, n->payload, sizeof(far));
	if (!far_ok(&far, n->kind))
		return false;
	switch (n->kind) {
	case TP_STREAM_FAR_CAME:
		if (!n->client)
			return false;
		take_came(turn, n->client, &far);
		return true;
	case TP_STREAM_FAR_IS:
		take_is(turn, n, &far);
		return true;
	default:
		take_about(turn, n->kind, n->stream, &far);
		return true;
	}
}

// ---- handing over

uint32_t ctl_turn_far_handed(struct ctl_turn *turn, uint32_t stream, uint32_t id,
	struct tp_stream_far *out, struct ctl_time now)
{
	struct ctl_far *far = ctl_far_find(turn, id);

	turn->now = now;
	if (!far || far->stream != stream || far->state != TP_STREAM_FAR_WAITING)
		return 0;
	if (!far->bind) { // its client has gone meanwhile
		ctl_far_remove(turn, far);
		return 0;
	}
	*out = said_of(turn, far);
	return far->bind->request.stream.stream;
}

void ctl_turn_far_delivered(struct ctl_turn *turn, uint32_t id, bool sent, struct ctl_time now)
{
	struct ctl_far *far = ctl_far_find(turn, id);
	struct ctl_transaction *t = far ? far->bind : NULL;
	enum stun_err code = STUN_ERR_INSUFFICIENT_CAPACITY;

	turn->now = now;
	if (!t)
		return;
	turn->binds--;
	far->bind = NULL;
	if (sent) {
		far->stream = t->request.stream.stream;
		code = ctl_far_bind(t, far);
	}
	if (code != STUN_OK) {
		ctl_response_error(t, code);
		ctl_far_close(turn, far);
	}
	ctl_transaction_free(t);
}

// ---- ends

static void end_bind_of(struct ctl_turn *turn, struct ctl_far *far, void *arg)
{
	const struct tp_stream_client *gone = arg;

	if (!far->bind || far->bind->request.stream.stream != gone->stream ||
		far->bind->request.stream.connection != gone->connection)
		return;
	ctl_transaction_free(far->bind);
	far->bind = NULL;
	turn->binds--;
}

bool ctl_over_tcp_closed(
	struct ctl_turn *turn, struct ctl_transaction *t, const struct ctl_request *gone)
{
	struct tp_stream_client client = gone->stream;

	if (turn->binds > 0)
		ctl_far_each(turn, end_bind_of, &client);
	if (!t || t->state != CTL_TRANSACTION_LISTENING)
		return false;
	listen_done(t, ECONNRESET);
	return true;
}

static void end_of_stream(struct ctl_turn *turn, struct ctl_far *far, void *arg)
{
	const uint32_t *stream = arg;

	if (far->stream != *stream)
		return;
	give_up(turn, far, STUN_ERR_CONNECTION_TIMEOUT_OR_FAILURE);
	ctl_far_remove(turn, far);
}

void ctl_turn_stream_gone(struct ctl_turn *turn, uint32_t stream, struct ctl_time now)
{
	turn->now = now;
	ctl_far_each(turn, end_of_stream, &stream);
}

// Of the store: an allocation, or its relayed address of one family, ends.
void ctl_over_tcp_ended(void *context, const struct tp_alloc_record *r, uint8_t family)
{
	struct ctl_turn *turn = context;
	struct tp_alloc_record rest = *r;

	for (struct ctl_far *far = ctl_far_next(turn, r->self, NULL), *next; far; far = next) {
		next = ctl_far_next(turn, r->self, far);
		if (family == TP_FAMILY_NONE || far->relay.ip.family == family)
			ctl_far_close(turn, far);
	}
	if (family == TP_FAMILY_NONE) {
		tell(turn, TP_STREAM_UNLISTEN, r->stream, NULL, 0);
		return;
	}
	for (int i = 0; i < 2; i++)
		if (rest.relay[i].ip.family == family)
			rest.relay[i] = (struct tp_addr){0};
	tell_listen(turn, r->stream, &rest);
}

static void end_late(struct ctl_turn *turn, struct ctl_far *far, void *arg)
{
	const struct ctl_transaction *t = far->bind ? far->bind : far->connect;

	if (t && turn->now.now_ns >= t->give_up_ns)
		ctl_far_close(turn, far);
}

void ctl_over_tcp_tick(struct ctl_turn *turn)
{
	if (turn->apart > 0)
		ctl_far_each(turn, end_late, NULL);
	for (size_t i = 0; turn->listening > 0 && i < CTL_BUSY_BUCKETS; i++)
		for (struct ctl_transaction *t = turn->busy[i]; t; t = t->busy_next)
			if (t->state == CTL_TRANSACTION_LISTENING &&
				turn->now.now_ns >= t->give_up_ns) {
				listen_done(t, ETIMEDOUT);
				break; // the list has changed; the next tick comes
			}
}
