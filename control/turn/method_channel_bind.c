// SPDX-License-Identifier: BSD-3-Clause
// ChannelBind, RFC 8656 section 12.2.
#include "common/base/bytes.h"
#include "control/alloc/permission.h"
#include "control/turn/turn_private.h"

// The channel number and the peer: 400 when one is missing or malformed. Whether the number is in
// range and free is the store's answer.
static enum stun_err read_binding(
	struct ctl_transaction *t, uint16_t *channel, struct tp_addr *peer)
{
	struct stun_attr number, address;
	if (!stun_find(&t->message, STUN_ATTR_CHANNEL_NUMBER, &number) ||
		!stun_attr_length_ok(&number) ||
		!stun_find(&t->message, STUN_ATTR_XOR_PEER_ADDRESS, &address) ||
		!stun_read_xor_address(&address, t->message.transaction_id, peer))
		return STUN_ERR_BAD_REQUEST;
	*channel = tp_rd16(number.value);
	return peer->port ? STUN_OK : STUN_ERR_BAD_REQUEST;
}

enum stun_err ctl_method_channel_bind(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	const struct tp_alloc_record *r;
	struct tp_addr peer;
	uint16_t channel;
	enum stun_err code = ctl_require_allocation(t, &r);
	// Channels are of UDP.
	if (code == STUN_OK && ctl_over_tcp(r))
		code = STUN_ERR_FORBIDDEN;
	// 1. CHANNEL-NUMBER and XOR-PEER-ADDRESS are there.
	if (code == STUN_OK)
		code = read_binding(t, &channel, &peer);
	// 2. The number is in range; 3. bound to no other peer; 4. the peer to no other number:
	// 400.
	if (code == STUN_OK)
		code = ctl_error_of(ctl_channel_check(turn->store, r->self, channel, &peer));
	// 5. A family of the allocation (443), an allowed peer (403).
	if (code == STUN_OK)
		code = ctl_check_peer(t, r, &peer);
	if (code == STUN_OK)
		code = ctl_error_of(ctl_channel_bind(
			turn->store, r->self, channel, &peer, turn->now, &t->change));
	if (code != STUN_OK)
		return code;
	ctl_response_begin(t);
	ctl_response_success(t);
	return STUN_OK;
}
