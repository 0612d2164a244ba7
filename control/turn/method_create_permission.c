// SPDX-License-Identifier: BSD-3-Clause
// CreatePermission, RFC 8656 section 10.2: all peers of the request or none.
#include "control/alloc/permission.h"
#include "control/turn/turn_private.h"

// Calls `each` for every XOR-PEER-ADDRESS that counts; 400 without one, or with an invalid one.
static enum stun_err walk_peers(struct ctl_transaction *t, const struct tp_alloc_record *r,
	enum stun_err (*each)(struct ctl_transaction *t, const struct tp_alloc_record *r,
		const struct tp_addr *peer))
{
	struct stun_attr a;
	uint16_t at = STUN_HEADER_BYTES;
	bool any = false;
	// Attributes after an integrity of either kind are not protected by it (RFC 8489 sections
	// 14.5 and 14.6).
	while (stun_next_attr(&t->message, &at, &a) && a.type != STUN_ATTR_MESSAGE_INTEGRITY &&
		a.type != STUN_ATTR_MESSAGE_INTEGRITY_SHA256) {
		if (a.type != STUN_ATTR_XOR_PEER_ADDRESS)
			continue;
		struct tp_addr peer;
		if (!stun_read_xor_address(&a, t->message.transaction_id, &peer))
			return STUN_ERR_BAD_REQUEST;
		peer.port = 0; // "the port portion of each attribute is ignored"
		enum stun_err code = each(t, r, &peer);
		if (code != STUN_OK)
			return code;
		any = true;
	}
	return any ? STUN_OK : STUN_ERR_BAD_REQUEST;
}

static enum stun_err valid(
	struct ctl_transaction *t, const struct tp_alloc_record *r, const struct tp_addr *peer)
{
	return STUN_OK;
}

static enum stun_err install(
	struct ctl_transaction *t, const struct tp_alloc_record *r, const struct tp_addr *peer)
{
	return ctl_error_of(
		ctl_permission_set(t->turn->store, r->self, &peer->ip, t->turn->now, &t->change));
}

enum stun_err ctl_method_create_permission(struct ctl_transaction *t)
{
	const struct tp_alloc_record *r;
	enum stun_err code = ctl_require_allocation(t, &r);
	// 1. At least one peer, all of them well-formed: 400.
	if (code == STUN_OK)
		code = walk_peers(t, r, valid);
	// 2. Of a family the allocation has (443), and allowed (403).
	if (code == STUN_OK)
		code = walk_peers(t, r, ctl_check_peer);
	// 3. Installed or refreshed; 508 when one does not find room, and none is then.
	if (code == STUN_OK)
		code = walk_peers(t, r, install);
	if (code != STUN_OK)
		return code;
	ctl_response_begin(t);
	ctl_response_success(t);
	return STUN_OK;
}
