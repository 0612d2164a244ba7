// SPDX-License-Identifier: BSD-3-Clause
// What several methods need.
#include <errno.h>

#include "common/base/bytes.h"
#include "control/turn/turn_private.h"

bool ctl_same_user(struct ctl_transaction *t, const struct tp_alloc_record *record)
{
	if (record->mac_key_length != 0 || t->mac_key.length != 0)
		return ctl_third_party_same(t, record);
	return ctl_allocation_is_of(
		t->turn->store, record, t->realm, t->user.value, t->user.length);
}

bool ctl_not_now(struct ctl_transaction *t, const struct tp_alloc_record *record)
{
	t->not_now = ctl_allocation_held(t->turn->store, record->self);
	return t->not_now;
}

// RFC 8656 section 5: 437 without an allocation, 441 with the credentials of somebody else.
enum stun_err ctl_require_allocation(struct ctl_transaction *t, const struct tp_alloc_record **out)
{
	struct tp_addr client = ctl_request_key(&t->request);
	*out = ctl_allocation_find(
		t->turn->store, t->request.transport, &client, &t->request.listener, t->turn->now);
	if (!*out)
		return STUN_ERR_ALLOCATION_MISMATCH;
	if (!ctl_same_user(t, *out) && !ctl_third_party_renews(t, *out))
		return STUN_ERR_WRONG_CREDENTIALS;
	return ctl_not_now(t, *out) ? STUN_ERR_SERVER_ERROR : STUN_OK;
}

enum stun_err ctl_granted_lifetime(struct ctl_transaction *t, uint32_t *out_s)
{
	const struct ctl_turn *turn = t->turn;
	struct stun_attr a;
	*out_s = turn->allocation_default_s;
	bool asked = stun_find(&t->message, STUN_ATTR_LIFETIME, &a);
	if (asked && !stun_attr_length_ok(&a))
		return STUN_ERR_BAD_REQUEST;
	uint32_t asked_s = asked ? tp_rd32(a.value) : turn->allocation_default_s;
	if (asked_s == 0)
		*out_s = 0;
	else if (asked_s > turn->allocation_max_s)
		*out_s = turn->allocation_max_s;
	else if (asked_s > turn->allocation_default_s)
		*out_s = asked_s;
	*out_s = ctl_third_party_limit(t, *out_s);
	return STUN_OK;
}

enum stun_err ctl_requested_family(struct ctl_transaction *t, uint16_t type, uint8_t *out)
{
	struct stun_attr a;
	*out = TP_FAMILY_NONE;
	if (!stun_find(&t->message, type, &a))
		return STUN_OK;
	if (!stun_attr_length_ok(&a))
		return STUN_ERR_BAD_REQUEST;
	if (a.value[0] == 0x01)
		*out = TP_FAMILY_IPV4;
	else if (a.value[0] == 0x02)
		*out = TP_FAMILY_IPV6;
	else
		return STUN_ERR_ADDRESS_FAMILY_NOT_SUPPORTED;
	return STUN_OK;
}

enum stun_err ctl_check_peer(
	struct ctl_transaction *t, const struct tp_alloc_record *record, const struct tp_addr *peer)
{
	uint8_t bit = peer->ip.family == TP_FAMILY_IPV4 ? CTL_FAMILY_BIT_IPV4 : CTL_FAMILY_BIT_IPV6;
	if (!(ctl_allocation_families(record, t->turn->now) & bit))
		return STUN_ERR_PEER_ADDRESS_FAMILY_MISMATCH;
	if (ctl_acl_check(t->turn->acl, peer) != CTL_ACL_ALLOWED)
		return STUN_ERR_FORBIDDEN;
	return STUN_OK;
}

enum stun_err ctl_error_of(int rc)
{
	switch (rc) {
	case 0:
		return STUN_OK;
	case -EEXIST:
	case -EINVAL:
		return STUN_ERR_BAD_REQUEST;
	case -ENOENT:
		return STUN_ERR_ALLOCATION_MISMATCH;
	case -EDQUOT:
	case -EUSERS:
		return STUN_ERR_ALLOCATION_QUOTA_REACHED;
	case -EAFNOSUPPORT:
		return STUN_ERR_ADDRESS_FAMILY_NOT_SUPPORTED;
	default: // -ENOSPC, -ENOBUFS, no randomness
		return STUN_ERR_INSUFFICIENT_CAPACITY;
	}
}
