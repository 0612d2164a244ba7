// SPDX-License-Identifier: BSD-3-Clause
// ConnectionBind, RFC 6062 section 5.4.
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "control/turn/far.h"

#define HAND_OVER_NS (10 * TP_NS_PER_S)

static struct ctl_far *far_named(const struct ctl_transaction *t)
{
	struct stun_attr a;

	return stun_find(&t->message, STUN_ATTR_CONNECTION_ID, &a) && stun_attr_length_ok(&a)
		       ? ctl_far_find(t->turn, tp_rd32(a.value))
		       : NULL;
}

const struct tp_alloc_record *ctl_connection_bind_allocation(const struct ctl_transaction *t)
{
	const struct ctl_far *far = t->method == CTL_METHOD_CONNECTION_BIND ? far_named(t) : NULL;

	return far ? ctl_allocation_get(t->turn->store, far->alloc) : NULL;
}

// The peer's socket is in another process than the client's new connection: control carries it over
// (ctl_turn_far_handed), and the answer waits.
static enum stun_err fetch(struct ctl_transaction *t, struct ctl_far *far)
{
	if (!ctl_far_tell(t->turn, TP_STREAM_FAR_HAND_OVER, far->stream, far))
		return STUN_ERR_INSUFFICIENT_CAPACITY;
	far->bind = t;
	t->apart = true;
	t->give_up_ns = t->turn->now.now_ns + HAND_OVER_NS;
	t->turn->binds++;
	return STUN_OK;
}

enum stun_err ctl_method_connection_bind(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	struct tp_addr client = ctl_request_key(&t->request);
	const struct tp_alloc_record *r;
	struct ctl_far *far;

	// 1. Over TCP or TLS only; and by a connection of its own (section 4.3).
	if ((t->request.transport != CTL_TRANSPORT_TCP &&
		    t->request.transport != CTL_TRANSPORT_TLS) ||
		ctl_allocation_find(turn->store, t->request.transport, &client,
			&t->request.listener, turn->now))
		return STUN_ERR_BAD_REQUEST;
	// 2. CONNECTION-ID names a connection that waits.
	far = far_named(t);
	if (!far || far->state != TP_STREAM_FAR_WAITING || far->bind)
		return STUN_ERR_BAD_REQUEST;
	r = ctl_allocation_get(turn->store, far->alloc);
	if (!r)
		return STUN_ERR_BAD_REQUEST;
	// Section 4.3: the credentials of the control connection.
	if (!ctl_same_user(t, r))
		return STUN_ERR_WRONG_CREDENTIALS;
	return far->stream == t->request.stream.stream ? ctl_far_bind(t, far) : fetch(t, far);
}
