// SPDX-License-Identifier: BSD-3-Clause
// MOBILITY-TICKET (RFC 8016), of Allocate (section 3.1.2) and of Refresh (section 3.2.2).
#include "common/base/clock.h"
#include "control/auth/ticket.h"
#include "control/turn/turn_private.h"

enum stun_err ctl_mobility_asked(struct ctl_transaction *t, bool *out)
{
	struct stun_attr a;
	*out = stun_find(&t->message, STUN_ATTR_MOBILITY_TICKET, &a);
	if (!*out)
		return STUN_OK;
	if (a.length != 0)
		return STUN_ERR_BAD_REQUEST;
	return t->turn->mobility ? STUN_OK : STUN_ERR_MOBILITY_FORBIDDEN;
}

enum stun_err ctl_mobility_write(struct ctl_transaction *t, const struct tp_alloc_record *r)
{
	struct ctl_turn *turn = t->turn;
	struct ctl_ticket ticket = {.alloc = r->self, .counter = r->ticket};
	uint8_t *value =
		stun_write_reserve(&t->writer, STUN_ATTR_MOBILITY_TICKET, CTL_TICKET_CHARS);
	if (!value ||
		ctl_ticket_seal(turn->crypto, ctl_store_ticket_key(turn->store), &ticket, value))
		return STUN_ERR_SERVER_ERROR;
	return STUN_OK;
}

// "retrieve the 5-tuple allocation using the ticket": 400 a ticket that is not ours, 437 of an
// allocation that is gone.
static enum stun_err find_by_ticket(struct ctl_transaction *t, const struct stun_attr *a,
	struct ctl_ticket *ticket, const struct tp_alloc_record **out)
{
	struct ctl_turn *turn = t->turn;
	if (!ctl_ticket_open(
		    turn->crypto, ctl_store_ticket_key(turn->store), a->value, a->length, ticket))
		return STUN_ERR_BAD_REQUEST;
	*out = ctl_allocation_get(turn->store, ticket->alloc);
	if (!*out || (*out)->deadline_ns <= turn->now.now_ns || !ctl_allocation_mobile(*out))
		return STUN_ERR_ALLOCATION_MISMATCH;
	return STUN_OK;
}

static enum stun_err respond(struct ctl_transaction *t, const struct tp_alloc_record *r)
{
	ctl_response_begin(t);
	stun_write_u32(&t->writer, STUN_ATTR_LIFETIME, r->granted_lifetime_s);
	enum stun_err code = ctl_mobility_write(t, r);
	if (code == STUN_OK)
		ctl_response_success(t);
	return code;
}

bool ctl_mobility_ticketed(struct ctl_transaction *t, struct stun_attr *ticket)
{
	return stun_find(&t->message, STUN_ATTR_MOBILITY_TICKET, ticket);
}

enum stun_err ctl_mobility_find(struct ctl_transaction *t, const struct stun_attr *attr,
	const struct tp_alloc_record **out, bool *repeated)
{
	struct ctl_turn *turn = t->turn;
	struct ctl_ticket ticket;
	const struct tp_alloc_record *r;
	struct ctl_move_request q = {.client = t->request.client,
		.listener = t->request.listener,
		.transport = t->request.transport,
		.stream = t->request.stream,
		.transaction_id = t->message.transaction_id};

	struct tp_addr client = ctl_request_key(&t->request);

	if (!turn->mobility)
		return STUN_ERR_MOBILITY_FORBIDDEN;
	enum stun_err code = find_by_ticket(t, attr, &ticket, out);
	if (code != STUN_OK)
		return code;
	r = *out;
	// Only the newest ticket is good; the one before it for the request that it was used in.
	*repeated = ctl_allocation_move_repeated(turn->store, r, ticket.counter, &q, turn->now) &&
		    ctl_same_user(t, r);
	if (*repeated)
		return STUN_OK;
	if (ticket.counter != r->ticket ||
		ctl_allocation_at(turn->store, r, q.transport, &client, &q.listener))
		return STUN_ERR_BAD_REQUEST;
	// Not who only has a newer access token: what says that it is the same client is its key.
	if (!ctl_same_user(t, r))
		return STUN_ERR_WRONG_CREDENTIALS;
	// One five-tuple, one allocation: another one's is not given up.
	if (ctl_allocation_find(turn->store, q.transport, &client, &q.listener, turn->now))
		return STUN_ERR_ALLOCATION_MISMATCH;
	return ctl_not_now(t, r) ? STUN_ERR_SERVER_ERROR : STUN_OK;
}

enum stun_err ctl_mobility_repeat(struct ctl_transaction *t, const struct tp_alloc_record *r)
{
	t->turn->counters.replayed++;
	return respond(t, r);
}

enum stun_err ctl_mobility_move(
	struct ctl_transaction *t, const struct tp_alloc_record *r, uint32_t lifetime_s)
{
	struct ctl_move_request q = {.client = t->request.client,
		.listener = t->request.listener,
		.transport = t->request.transport,
		.stream = t->request.stream,
		.transaction_id = t->message.transaction_id,
		.lifetime_s = lifetime_s};
	enum stun_err code = ctl_error_of(
		ctl_allocation_move(t->turn->store, r->self, &q, t->turn->now, &t->change));
	return code == STUN_OK ? respond(t, r) : code;
}
