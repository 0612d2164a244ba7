// SPDX-License-Identifier: BSD-3-Clause
// Refresh, RFC 8656 section 8.2; with a ticket from another five-tuple, RFC 8016 section 3.2.2.
#include "control/turn/turn_private.h"

// The families that the request is about: one of those the allocation has, or all of them.
static enum stun_err read_families(
	struct ctl_transaction *t, const struct tp_alloc_record *r, uint8_t *family)
{
	enum stun_err code = ctl_requested_family(t, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, family);
	if (code == STUN_ERR_ADDRESS_FAMILY_NOT_SUPPORTED)
		return STUN_ERR_PEER_ADDRESS_FAMILY_MISMATCH;
	if (code != STUN_OK || *family == TP_FAMILY_NONE)
		return code;
	uint8_t bit = *family == TP_FAMILY_IPV4 ? CTL_FAMILY_BIT_IPV4 : CTL_FAMILY_BIT_IPV6;
	uint8_t have = ctl_allocation_families(r, t->turn->now);
	if (!(have & bit))
		return STUN_ERR_PEER_ADDRESS_FAMILY_MISMATCH;
	if (have == bit)
		*family = TP_FAMILY_NONE; // all there is
	return STUN_OK;
}

enum stun_err ctl_method_refresh(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	const struct tp_alloc_record *r;
	struct stun_attr ticket;
	uint8_t family;
	uint32_t lifetime_s;
	bool ticketed = ctl_mobility_ticketed(t, &ticket), repeated = false;
	enum stun_err code = ticketed ? ctl_mobility_find(t, &ticket, &r, &repeated)
				      : ctl_require_allocation(t, &r);
	if (code == STUN_OK)
		code = read_families(t, r, &family);
	if (code == STUN_OK)
		code = ctl_granted_lifetime(t, &lifetime_s);
	if (code != STUN_OK)
		return code;
	if (ticketed && repeated)
		return ctl_mobility_repeat(t, r);
	if (ticketed && lifetime_s > 0)
		return ctl_mobility_move(t, r, lifetime_s);

	// Zero deletes the allocation, or one family of a dual one. Anything else sets the deadline
	// of the family named, or of all.
	int rc;
	if (lifetime_s > 0)
		rc = ctl_allocation_refresh(
			turn->store, r->self, family, lifetime_s, turn->now, &t->change);
	else if (family != TP_FAMILY_NONE)
		rc = ctl_allocation_close_family(
			turn->store, r->self, family, turn->now, &t->change);
	else
		rc = ctl_allocation_delete(
			turn->store, r->self, TP_END_REFRESH_ZERO, turn->now, &t->change);
	if (rc)
		return ctl_error_of(rc);
	if (ctl_third_party_renews(t, r))
		ctl_allocation_renew_key(
			turn->store, r->self, t->mac_key.bytes, (uint8_t)t->mac_key.length);
	ctl_response_begin(t);
	stun_write_u32(&t->writer, STUN_ATTR_LIFETIME, lifetime_s);
	ctl_response_success(t);
	return STUN_OK;
}
