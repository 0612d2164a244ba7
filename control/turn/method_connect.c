// SPDX-License-Identifier: BSD-3-Clause
// Connect, RFC 6062 section 5.2.
#include "common/base/clock.h"
#include "control/turn/far.h"

// A stream process gives up after 30 seconds and says so; one that cannot say so is not waited for.
#define CONNECT_NS (40 * TP_NS_PER_S)

static bool peer_of(struct ctl_transaction *t, struct tp_addr *peer)
{
	struct stun_attr a;

	return stun_find(&t->message, STUN_ATTR_XOR_PEER_ADDRESS, &a) &&
	       stun_read_xor_address(&a, t->message.transaction_id, peer) && peer->port != 0;
}

// The same request once more, of a control that did not live to answer it.
static bool is_repeated(const struct ctl_transaction *t, const struct ctl_far *far)
{
	return !far->connect && far->state != TP_STREAM_FAR_BOUND &&
	       memcmp(far->transaction_id, t->message.transaction_id,
		       sizeof(far->transaction_id)) == 0;
}

static void wait_for(struct ctl_transaction *t, struct ctl_far *far)
{
	far->connect = t;
	t->give_up_ns = t->turn->now.now_ns + CONNECT_NS;
	t->apart = true; // others of the five-tuple go on: "multiple Connect requests MAY be sent"
}

static enum stun_err answer_again(struct ctl_transaction *t, struct ctl_far *far)
{
	if (far->state == TP_STREAM_FAR_CONNECTING)
		wait_for(t, far);
	else
		ctl_far_connected(t, far);
	return STUN_OK;
}

static enum stun_err initiate(
	struct ctl_transaction *t, const struct tp_alloc_record *r, const struct tp_addr *peer)
{
	struct ctl_turn *turn = t->turn;
	struct ctl_far wanted = {.id = ctl_far_draw(turn),
		.stream = t->request.stream.stream,
		.alloc = r->self,
		.owner = t->request.stream,
		.relay = r->relay[r->relay[0].ip.family == peer->ip.family ? 0 : 1],
		.peer = *peer,
		.state = TP_STREAM_FAR_CONNECTING};
	struct ctl_far *far;

	memcpy(wanted.transaction_id, t->message.transaction_id, sizeof(wanted.transaction_id));
	// What waits for peers leaves room for everybody else's requests.
	if (wanted.id == 0 || turn->apart >= turn->max_pending / 4 ||
		ctl_far_count(turn, r->self) >= CTL_FARS_PER_ALLOCATION)
		return STUN_ERR_INSUFFICIENT_CAPACITY;
	far = ctl_far_add(turn, &wanted);
	if (!far)
		return STUN_ERR_INSUFFICIENT_CAPACITY;
	if (!ctl_far_tell(turn, TP_STREAM_FAR_CONNECT, far->stream, far)) {
		ctl_far_remove(turn, far);
		return STUN_ERR_INSUFFICIENT_CAPACITY;
	}
	wait_for(t, far);
	return STUN_OK;
}

enum stun_err ctl_method_connect(struct ctl_transaction *t)
{
	const struct tp_alloc_record *r;
	struct tp_addr peer;
	struct ctl_far *far;

	// No allocation: 437; another user's: 441.
	enum stun_err code = ctl_require_allocation(t, &r);
	// XOR-PEER-ADDRESS is missing or invalid: 400. Before 446, which needs it.
	if (code == STUN_OK && !peer_of(t, &peer))
		code = STUN_ERR_BAD_REQUEST;
	if (code == STUN_OK && !ctl_over_tcp(r))
		code = STUN_ERR_FORBIDDEN;
	if (code != STUN_OK)
		return code;
	// A connection with that peer is there or on its way: 446.
	peer = ctl_peer_public(t->turn->store, &peer);
	far = ctl_far_of_peer(t->turn, r->self, &peer);
	if (far)
		return is_repeated(t, far) ? answer_again(t, far)
					   : STUN_ERR_CONNECTION_ALREADY_EXISTS;
	// Forbidden by policy: 403; a family that the allocation does not have: 443.
	code = ctl_check_peer(t, r, &peer);
	return code == STUN_OK ? initiate(t, r, &peer) : code;
}
