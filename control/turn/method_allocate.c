// SPDX-License-Identifier: BSD-3-Clause
// Allocate, RFC 8656 section 7.2, steps numbered as there.
#include <errno.h>

#include "control/alloc/acl.h"
#include "control/turn/far.h"

#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17

// RFC 6062 section 5.1: by a TCP or TLS connection only, and none of what is UDP's.
static enum stun_err check_tcp(struct ctl_transaction *t)
{
	struct stun_attr any;
	if ((t->request.transport != CTL_TRANSPORT_TCP &&
		    t->request.transport != CTL_TRANSPORT_TLS) ||
		stun_find(&t->message, STUN_ATTR_DONT_FRAGMENT, &any) ||
		stun_find(&t->message, STUN_ATTR_EVEN_PORT, &any) ||
		stun_find(&t->message, STUN_ATTR_RESERVATION_TOKEN, &any))
		return STUN_ERR_BAD_REQUEST;
	return STUN_OK;
}

// 3. REQUESTED-TRANSPORT must be there and be UDP, or TCP where that is relayed.
static enum stun_err check_transport(struct ctl_transaction *t, bool *over_tcp)
{
	struct stun_attr a;
	if (!stun_find(&t->message, STUN_ATTR_REQUESTED_TRANSPORT, &a) || !stun_attr_length_ok(&a))
		return STUN_ERR_BAD_REQUEST;
	*over_tcp = a.value[0] == PROTOCOL_TCP;
	if (*over_tcp && t->turn->relays_tcp)
		return check_tcp(t);
	return a.value[0] == PROTOCOL_UDP ? STUN_OK : STUN_ERR_UNSUPPORTED_TRANSPORT;
}

// The attribute by which this client asks for a second family.
static uint16_t additional_type(const struct ctl_transaction *t)
{
	struct stun_attr a;
	if (t->turn->draft_dual && !stun_find(&t->message, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, &a))
		return STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY_DRAFT;
	return STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY;
}

// 5. to 9.: which relayed addresses are wanted.
static enum stun_err read_wishes(struct ctl_transaction *t, struct ctl_allocation_request *q)
{
	struct stun_attr token, even;
	uint8_t requested, additional;
	bool has_token = stun_find(&t->message, STUN_ATTR_RESERVATION_TOKEN, &token);
	bool has_even = stun_find(&t->message, STUN_ATTR_EVEN_PORT, &even);
	if ((has_token && !stun_attr_length_ok(&token)) ||
		(has_even && !stun_attr_length_ok(&even)))
		return STUN_ERR_BAD_REQUEST;
	enum stun_err code =
		ctl_requested_family(t, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, &requested);
	if (code == STUN_ERR_BAD_REQUEST)
		return code;
	// 9., first half: the value must be IPv6.
	if (ctl_requested_family(t, additional_type(t), &additional) != STUN_OK ||
		additional == TP_FAMILY_IPV4)
		return STUN_ERR_BAD_REQUEST;

	// 5. RESERVATION-TOKEN excludes everything that chooses an address.
	struct stun_attr any;
	if (has_token &&
		(has_even || stun_find(&t->message, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, &any) ||
			additional != TP_FAMILY_NONE))
		return STUN_ERR_BAD_REQUEST;
	// 6. Both family attributes.
	if (additional != TP_FAMILY_NONE &&
		stun_find(&t->message, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, &any))
		return STUN_ERR_BAD_REQUEST;
	// 7. A family that does not exist; one that is not configured is the store's answer.
	if (code != STUN_OK)
		return code;
	// 8. A reserved pair cannot be had of two addresses.
	if (has_even)
		q->even_port = even.value[0] & 0x80 ? CTL_PORT_RESERVE : CTL_PORT_EVEN;
	if (additional != TP_FAMILY_NONE && q->even_port == CTL_PORT_RESERVE)
		return STUN_ERR_BAD_REQUEST;
	if (has_token)
		q->token = token.value;
	q->families = requested == TP_FAMILY_IPV6 ? CTL_FAMILY_BIT_IPV6 : CTL_FAMILY_BIT_IPV4;
	if (additional != TP_FAMILY_NONE) {
		q->families = CTL_FAMILY_BIT_IPV4 | CTL_FAMILY_BIT_IPV6;
		q->optional_families = q->families;
	}
	return STUN_OK;
}

// 9., second half: the family of a dual allocation that could not be had, RFC 8656 section 18.12.
static void write_address_error(
	struct ctl_transaction *t, const struct tp_alloc_record *r, uint8_t family)
{
	uint8_t bit = family == TP_FAMILY_IPV4 ? CTL_FAMILY_BIT_IPV4 : CTL_FAMILY_BIT_IPV6;
	if (ctl_allocation_families(r, t->turn->now) & bit)
		return;
	unsigned int code = ctl_store_has_family(t->turn->store, family)
				    ? STUN_ERR_INSUFFICIENT_CAPACITY
				    : STUN_ERR_ADDRESS_FAMILY_NOT_SUPPORTED;
	const char *reason = stun_reason((enum stun_err)code);
	size_t length = strlen(reason);
	uint8_t *value = stun_write_reserve(&t->writer, STUN_ATTR_ADDRESS_ERROR_CODE, 4 + length);
	if (!value)
		return;
	value[0] = family == TP_FAMILY_IPV4 ? 0x01 : 0x02;
	value[1] = 0;
	value[2] = (uint8_t)(code / 100);
	value[3] = (uint8_t)(code % 100);
	memcpy(value + 4, reason, length);
}

static enum stun_err respond(
	struct ctl_transaction *t, const struct tp_alloc_record *r, bool dual, const uint8_t *token)
{
	ctl_response_begin(t);
	for (int i = 0; i < 2; i++) {
		struct tp_addr relay = ctl_allocation_public_relay(t->turn->store, r, i);
		if (relay.ip.family != TP_FAMILY_NONE)
			stun_write_xor_address(&t->writer, STUN_ATTR_XOR_RELAYED_ADDRESS, &relay);
	}
	if (dual) {
		write_address_error(t, r, TP_FAMILY_IPV4);
		write_address_error(t, r, TP_FAMILY_IPV6);
	}
	stun_write_u32(&t->writer, STUN_ATTR_LIFETIME, r->granted_lifetime_s);
	if (token)
		stun_write_attr(&t->writer, STUN_ATTR_RESERVATION_TOKEN, token,
			CTL_RESERVATION_TOKEN_BYTES);
	stun_write_xor_address(&t->writer, STUN_ATTR_XOR_MAPPED_ADDRESS, &t->request.client);
	enum stun_err code = ctl_allocation_mobile(r) ? ctl_mobility_write(t, r) : STUN_OK;
	if (code == STUN_OK)
		ctl_response_success(t);
	return code;
}

enum stun_err ctl_method_allocate(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	struct ctl_allocation_request q = {.client = t->request.client,
		.listener = t->request.listener,
		.transport = t->request.transport,
		.stream = t->request.stream,
		.user = t->user.value,
		.user_length = t->user.length,
		.realm = t->realm,
		.mac_key = t->mac_key.bytes,
		.mac_key_length = (uint8_t)t->mac_key.length,
		.transaction_id = t->message.transaction_id};
	struct tp_addr client = ctl_request_key(&t->request);
	struct stun_attr additional;
	bool dual = stun_find(&t->message, additional_type(t), &additional);

	// 1. Authenticated: done.
	// 2. The five-tuple is in use: 437, unless this is the request that made the allocation
	// (a retransmission after its response was forgotten, as by a restart).
	const struct tp_alloc_record *r =
		ctl_allocation_find(turn->store, q.transport, &client, &q.listener, turn->now);
	if (r && memcmp(r->transaction_id, q.transaction_id, STUN_TRANSACTION_ID_BYTES) == 0 &&
		ctl_same_user(t, r)) {
		turn->counters.replayed++;
		return respond(t, r, dual, r->reservation ? r->reservation_token : NULL);
	}
	if (r)
		return STUN_ERR_ALLOCATION_MISMATCH;
	// RFC 8656 section 21.4: a loop of tunnels must not begin here.
	if (ctl_acl_tunnelled(&q.client.ip))
		return STUN_ERR_FORBIDDEN;
	enum stun_err code = check_transport(t, &q.over_tcp);
	if (code != STUN_OK)
		return code;
	// 4. DONT-FRAGMENT is supported.
	code = ctl_mobility_asked(t, &q.mobile);
	// A TCP allocation stays with its control connection (RFC 6062 section 4.2).
	if (code == STUN_OK && q.mobile && q.over_tcp)
		code = STUN_ERR_MOBILITY_FORBIDDEN;
	if (code == STUN_OK)
		code = read_wishes(t, &q);
	if (code == STUN_OK)
		code = ctl_granted_lifetime(t, &q.lifetime_s);
	if (code != STUN_OK)
		return code;
	if (q.lifetime_s == 0) // as if absent: only a Refresh may ask for none
		q.lifetime_s = ctl_third_party_limit(t, turn->allocation_default_s);

	// "At any point": to another server, once the request is known to be sound.
	if (ctl_alternate_always(t, &q))
		return STUN_ERR_TRY_ALTERNATE;

	// 10. Quotas; then the relayed transport addresses are chosen.
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES];
	int rc = ctl_allocation_create(turn->store, &q, turn->now, &t->change, token);
	if (rc)
		return ctl_alternate_when(t, &q, rc) ? STUN_ERR_TRY_ALTERNATE : ctl_error_of(rc);
	r = ctl_allocation_get(turn->store, t->change.alloc);
	if (q.over_tcp)
		code = ctl_over_tcp_listen(t, r);
	if (code != STUN_OK)
		return code;
	return respond(t, r, dual, q.even_port == CTL_PORT_RESERVE ? token : NULL);
}
