// SPDX-License-Identifier: BSD-3-Clause
// The long-term credential mechanism, RFC 8489 section 9.2.4, in the order of the RFC.
#include <errno.h>

#include "common/base/bytes.h"
#include "common/wire/challenge.h"
#include "control/auth/opaque_string.h"
#include "control/turn/turn_private.h"

static bool present(struct ctl_transaction *t, uint16_t type, struct stun_attr *out)
{
	return stun_find(&t->message, type, out) && stun_attr_length_ok(out);
}

// Where both are present MESSAGE-INTEGRITY-SHA256 counts; the other is under it.
static bool find_integrity(struct ctl_transaction *t, struct stun_attr *out)
{
	return stun_find(&t->message, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, out) ||
	       stun_find(&t->message, STUN_ATTR_MESSAGE_INTEGRITY, out);
}

// The user, named or hashed, never both; what is malformed is missing.
static bool find_user(struct ctl_transaction *t, struct ctl_user_query *q)
{
	struct stun_attr name, hash;
	bool named = present(t, STUN_ATTR_USERNAME, &name);
	bool hashed = present(t, STUN_ATTR_USERHASH, &hash);
	if (named == hashed)
		return false;
	if (named) {
		q->sent = name.value;
		q->sent_length = name.length;
	} else {
		q->userhash = hash.value;
	}
	return true;
}

static void refuse(struct ctl_transaction *t, enum ctl_auth_failure why)
{
	if (t->refused) // the first reason counts
		return;
	t->refused = true;
	t->refusal = why;
}

// RFC 8489 section 14.3: the name that is looked up is the prepared one. What cannot be prepared
// is nobody's name, and the lookup takes its way all the same.
static void prepare_user(struct ctl_transaction *t, struct ctl_user_query *q)
{
	q->user = t->user_name;
	if (!q->sent)
		return;
	int n = ctl_opaque_prepare(q->sent, q->sent_length, t->user_name, sizeof(t->user_name));
	if (n > 0)
		q->user_length = (size_t)n;
	else
		refuse(t, CTL_AUTH_unusable_name);
}

// Section 9.2.4 does not say what a REALM of its own makes of a request. Keys are made for the
// listener's realm, so a client that used another's has none of ours: like an unknown user.
static void check_realm(struct ctl_transaction *t, const struct stun_attr *realm)
{
	const char *ours = t->turn->realms->name[t->realm];
	size_t length = strlen(ours);
	uint8_t prepared[CTL_OPAQUE_MAX_BYTES];
	if (realm->length == length && memcmp(realm->value, ours, length) == 0)
		return;
	int n = ctl_opaque_prepare(realm->value, realm->length, prepared, sizeof(prepared));
	if (n < 0 || (size_t)n != length || memcmp(prepared, ours, length) != 0)
		refuse(t, CTL_AUTH_wrong_realm);
}

// RFC 8489 section 9.2.4, third check, for a nonce whose cookie says that algorithms were offered:
// both attributes or neither; the list unchanged on its ways here and back; one algorithm of it.
static bool choose_algorithm(
	struct ctl_transaction *t, const struct stun_attr *nonce, struct ctl_user_query *q)
{
	struct stun_attr all, one;
	uint8_t offered[STUN_PASSWORD_ALGORITHMS_BYTES];
	q->algorithm = CTL_PASSWORD_MD5;
	if (!(tp_nonce_features(nonce->value, nonce->length) & STUN_FEATURE_PASSWORD_ALGORITHMS))
		return true;
	bool has_all = stun_find(&t->message, STUN_ATTR_PASSWORD_ALGORITHMS, &all);
	bool has_one = stun_find(&t->message, STUN_ATTR_PASSWORD_ALGORITHM, &one);
	if (!has_all && !has_one)
		return true;
	stun_password_algorithms(offered);
	if (!has_all || !has_one || all.length != sizeof(offered) ||
		memcmp(all.value, offered, sizeof(offered)) != 0 || one.length != 4)
		return false;
	t->sha256 = true;
	for (size_t i = 0; i < sizeof(offered); i += 4)
		if (memcmp(one.value, offered + i, 4) == 0) {
			q->algorithm = (enum ctl_password_algorithm)tp_rd16(one.value);
			return true;
		}
	return false;
}

// The name, which from here on is that of the store: a USERHASH has none in the message.
static bool keep_user(struct ctl_transaction *t, const struct ctl_user_answer *answer)
{
	if (answer->user_length > sizeof(t->user_name))
		return false;
	memmove(t->user_name, answer->user, answer->user_length); // it may be there already
	t->user.value = t->user_name;
	t->user.length = (uint16_t)answer->user_length;
	return true;
}

// Tries every key, so that the time does not tell which one fits, or whether the user exists.
static bool match_keys(struct ctl_transaction *t, const struct ctl_user_answer *answer)
{
	struct stun_attr mi;
	bool found = false;
	// RFC 8489 section 14.6: no usage, no truncation; TURN does not allow it.
	bool whole = find_integrity(t, &mi) && (mi.type != STUN_ATTR_MESSAGE_INTEGRITY_SHA256 ||
						       mi.length == CTL_INTEGRITY_SHA256_BYTES);
	for (uint32_t i = 0; i < answer->n_keys; i++) {
		bool ok = ctl_integrity_ok(t->turn->crypto, &t->message, &mi, answer->key[i].bytes,
			answer->key[i].length);
		if (ok && !found)
			t->key = answer->key[i];
		found |= ok;
	}
	return whole && found;
}

// A temporary credential past its time may still serve the allocation that was made with it.
static bool outlives_expiry(struct ctl_transaction *t, const struct ctl_user_answer *answer)
{
	struct ctl_turn *turn = t->turn;
	if (turn->realms->rest_expiry == CONF_REST_EXPIRY_ALWAYS ||
		t->method == CTL_METHOD_ALLOCATE)
		return false;
	struct tp_addr client = ctl_request_key(&t->request);
	const struct tp_alloc_record *r = ctl_connection_bind_allocation(t);
	if (!r)
		r = ctl_allocation_find(turn->store, t->request.transport, &client,
			&t->request.listener, turn->now);
	return r &&
	       ctl_allocation_is_of(turn->store, r, t->realm, answer->user, answer->user_length);
}

// Whether the user is who it says. Every key is tried, whatever is wrong already.
static bool verify(struct ctl_transaction *t, const struct ctl_user_answer *answer)
{
	bool fits = match_keys(t, answer);
	if (answer->result)
		refuse(t, answer->why);
	else if (!fits || !keep_user(t, answer))
		refuse(t, CTL_AUTH_wrong_password);
	else if (answer->expired && !outlives_expiry(t, answer))
		refuse(t, CTL_AUTH_expired);
	return !t->refused;
}

static void fail(struct ctl_transaction *t, enum ctl_auth_failure why, enum stun_err code)
{
	t->turn->counters.auth_failures[why]++;
	if (code == STUN_ERR_UNAUTHENTICATED || code == STUN_ERR_STALE_NONCE)
		ctl_response_challenge(t, code);
	else
		ctl_response_error(t, code);
	ctl_transaction_end(t);
}

void ctl_authenticate_nonce(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	struct stun_attr nonce;

	// 6. A nonce that is too old, or not for this client: 438 with a fresh one.
	if (!present(t, STUN_ATTR_NONCE, &nonce) ||
		!ctl_nonce_ok(ctl_store_nonce_keys(turn->store), turn->now.wall_ns,
			turn->nonce_lifetime_s, &t->request.client, &t->request.listener,
			nonce.value, nonce.length)) {
		fail(t, CTL_AUTH_stale_nonce, STUN_ERR_STALE_NONCE);
		return;
	}
	t->authenticated = true;
	ctl_request_authenticated(t);
}

static void on_user(void *context, const struct ctl_user_answer *answer)
{
	struct ctl_transaction *t = context;

	t->asked->under_way--;
	if (t->forgotten) {
		ctl_transaction_end(t);
		return;
	}
	// 4. An unknown user and 5. a wrong password look the same: 401 with a fresh nonce. A store
	// that is down does not tell who is known.
	if (answer->result != 0 && answer->result != -ENOENT) {
		fail(t, CTL_AUTH_store_down, STUN_ERR_SERVER_ERROR);
		return;
	}
	if (!verify(t, answer)) {
		fail(t, t->refusal, STUN_ERR_UNAUTHENTICATED);
		return;
	}
	ctl_authenticate_nonce(t);
}

void ctl_authenticate(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	struct ctl_user_query query = {.realm = t->realm, .wall_ns = turn->now.wall_ns};
	struct stun_attr mi, realm, nonce;

	// 1. Neither MESSAGE-INTEGRITY nor MESSAGE-INTEGRITY-SHA256: 401 with REALM and NONCE.
	if (!find_integrity(t, &mi)) {
		fail(t, CTL_AUTH_no_integrity, STUN_ERR_UNAUTHENTICATED);
		return;
	}
	// 2. With one, but without USERNAME or USERHASH, REALM or NONCE (or malformed): 400.
	if (!stun_attr_length_ok(&mi) || !find_user(t, &query) ||
		!present(t, STUN_ATTR_REALM, &realm) || !present(t, STUN_ATTR_NONCE, &nonce)) {
		fail(t, CTL_AUTH_malformed_credentials, STUN_ERR_BAD_REQUEST);
		return;
	}
	// 3. Password algorithms that were not offered so: 400.
	if (!choose_algorithm(t, &nonce, &query)) {
		fail(t, CTL_AUTH_password_algorithms, STUN_ERR_BAD_REQUEST);
		return;
	}
	if (ctl_third_party_authenticate(t, &mi))
		return;
	prepare_user(t, &query);
	check_realm(t, &realm);
	// Until the answer the five-tuple is busy; an answer from within the call finds it so, too.
	ctl_transaction_hold(t, CTL_TRANSACTION_LOOKUP);
	t->asked = turn->users;
	t->asked->under_way++;
	t->asked->lookup(t->asked, &query, on_user, t);
}
