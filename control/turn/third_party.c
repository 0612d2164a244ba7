// SPDX-License-Identifier: BSD-3-Clause
// Third-party authorization, RFC 7635. An Allocate or Refresh brings a token, of which the server
// has the key of MESSAGE-INTEGRITY; other requests bring none (section 9) and are checked with the
// key that their allocation was made or last refreshed with.
#include "control/turn/turn_private.h"

bool ctl_third_party_understood(const struct ctl_transaction *t, uint16_t type)
{
	return type == STUN_ATTR_ACCESS_TOKEN && t->turn->oauth;
}

static struct ctl_key key_of(const struct tp_alloc_record *r)
{
	struct ctl_key key = {.length = r->mac_key_length};
	static_assert(sizeof(key.bytes) >= sizeof(r->mac_key));
	memcpy(key.bytes, r->mac_key, sizeof(r->mac_key));
	return key;
}

bool ctl_third_party_same(const struct ctl_transaction *t, const struct tp_alloc_record *r)
{
	struct ctl_key key = key_of(r);
	bool same = key.length != 0 && ctl_oauth_same_key(&key, &t->mac_key);
	ctl_key_cleanse(&key);
	return same;
}

// Section 9: "The client MUST use the new token to refresh existing allocations." A new token has
// another key, perhaps another kid: what says that it is the same client is the five-tuple, of
// which it holds a nonce.
bool ctl_third_party_renews(const struct ctl_transaction *t, const struct tp_alloc_record *r)
{
	return t->method == CTL_METHOD_REFRESH && t->token_left_s != 0 && r->mac_key_length != 0;
}

uint32_t ctl_third_party_limit(const struct ctl_transaction *t, uint32_t lifetime_s)
{
	return t->token_left_s != 0 && lifetime_s > t->token_left_s ? t->token_left_s : lifetime_s;
}

// The integrity fits this session key: the request is authenticated but for its nonce. The answer's
// integrity is of the request's kind, as no password algorithm has a say.
static bool take_key(
	struct ctl_transaction *t, const struct stun_attr *mi, const struct ctl_key *mac_key)
{
	if (!ctl_oauth_integrity_ok(t->turn->oauth, &t->message, mi, mac_key, &t->key))
		return false;
	t->mac_key = *mac_key;
	t->sha256 = mi->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256;
	return true;
}

static void keep_user(struct ctl_transaction *t, const void *user, size_t length)
{
	memcpy(t->user_name, user, length);
	t->user.value = t->user_name;
	t->user.length = (uint16_t)length;
}

// Section 7, in its order. USERHASH tells no kid.
static enum ctl_oauth_result check_token(struct ctl_transaction *t, const struct stun_attr *access,
	const struct stun_attr *mi, struct ctl_oauth_token *token)
{
	struct stun_attr kid;
	if (!stun_find(&t->message, STUN_ATTR_USERNAME, &kid))
		return CTL_OAUTH_unknown_kid;
	enum ctl_oauth_result result = ctl_oauth_verify(t->turn->oauth, kid.value, kid.length,
		access->value, access->length, t->turn->now.wall_ns, token);
	if (result == CTL_OAUTH_accepted && !take_key(t, mi, &token->mac_key))
		result = CTL_OAUTH_integrity;
	return result;
}

static void authenticate_token(
	struct ctl_transaction *t, const struct stun_attr *access, const struct stun_attr *mi)
{
	struct ctl_oauth_token token;
	enum ctl_oauth_result result = check_token(t, access, mi, &token);
	t->turn->counters.oauth[result]++;
	if (result == CTL_OAUTH_accepted) {
		t->token_left_s = token.left_s;
		keep_user(t, token.identity, token.identity_length);
		ctl_authenticate_nonce(t);
	} else {
		ctl_response_challenge(t, STUN_ERR_UNAUTHENTICATED);
		ctl_transaction_end(t);
	}
	ctl_oauth_token_cleanse(&token);
}

// A request without a token, about an allocation that a token made. Not an Allocate or Refresh:
// these need one.
static bool authenticate_by_allocation(struct ctl_transaction *t, const struct stun_attr *mi)
{
	struct ctl_turn *turn = t->turn;
	uint8_t user[CTL_USER_MAX_BYTES];
	if (t->method == CTL_METHOD_ALLOCATE || t->method == CTL_METHOD_REFRESH)
		return false;
	struct tp_addr client = ctl_request_key(&t->request);
	const struct tp_alloc_record *r = ctl_connection_bind_allocation(t);
	if (!r)
		r = ctl_allocation_find(turn->store, t->request.transport, &client,
			&t->request.listener, turn->now);
	if (!r || r->mac_key_length == 0)
		return false;
	struct ctl_key key = key_of(r);
	bool ok = take_key(t, mi, &key);
	ctl_key_cleanse(&key);
	if (!ok)
		return false;
	keep_user(t, user, ctl_allocation_user(turn->store, r, user));
	ctl_authenticate_nonce(t);
	return true;
}

bool ctl_third_party_authenticate(struct ctl_transaction *t, const struct stun_attr *mi)
{
	struct stun_attr access;
	if (!t->turn->oauth)
		return false;
	if (!stun_find(&t->message, STUN_ATTR_ACCESS_TOKEN, &access))
		return authenticate_by_allocation(t, mi);
	authenticate_token(t, &access, mi);
	return true;
}
