// SPDX-License-Identifier: BSD-3-Clause
// The long-term credential mechanism, RFC 8489 section 9.2.4, in the order of the RFC.
#include <errno.h>

#include "common/base/bytes.h"
#include "common/wire/challenge.h"
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
		q->user = name.value;
		q->user_length = name.length;
	} else {
		q->userhash = hash.value;
	}
	return true;
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
	memcpy(t->user_name, answer->user, answer->user_length);
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
	return whole && found && answer->result == 0;
}

static void on_user(void *context, const struct ctl_user_answer *answer)
{
	struct ctl_transaction *t = context;
	struct ctl_turn *turn = t->turn;
	struct stun_attr nonce;

	// 4. An unknown user and 5. a wrong password look the same: 401 with a fresh nonce. A store
	// that is down does not tell who is known.
	if (answer->result != 0 && answer->result != -ENOENT) {
		ctl_response_error(t, STUN_ERR_SERVER_ERROR);
		ctl_transaction_end(t);
		return;
	}
	if (!match_keys(t, answer) || !keep_user(t, answer)) {
		ctl_response_challenge(t, STUN_ERR_UNAUTHENTICATED);
		ctl_transaction_end(t);
		return;
	}
	// 6. A nonce that is too old, or not for this client: 438 with a fresh one.
	if (!present(t, STUN_ATTR_NONCE, &nonce) ||
		!ctl_nonce_ok(ctl_store_nonce_keys(turn->store), turn->now.wall_ns,
			turn->nonce_lifetime_s, &t->request.client, &t->request.listener,
			nonce.value, nonce.length)) {
		ctl_response_challenge(t, STUN_ERR_STALE_NONCE);
		ctl_transaction_end(t);
		return;
	}
	t->authenticated = true;
	ctl_request_authenticated(t);
}

void ctl_authenticate(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	struct ctl_user_query query = {.wall_ns = turn->now.wall_ns};
	struct stun_attr mi, realm, nonce;

	// 1. Neither MESSAGE-INTEGRITY nor MESSAGE-INTEGRITY-SHA256: 401 with REALM and NONCE.
	if (!find_integrity(t, &mi)) {
		ctl_response_challenge(t, STUN_ERR_UNAUTHENTICATED);
		ctl_transaction_end(t);
		return;
	}
	// 2. With one, but without USERNAME or USERHASH, REALM or NONCE (or malformed): 400.
	// 3. Password algorithms that were not offered so: 400.
	if (!stun_attr_length_ok(&mi) || !find_user(t, &query) ||
		!present(t, STUN_ATTR_REALM, &realm) || !present(t, STUN_ATTR_NONCE, &nonce) ||
		!choose_algorithm(t, &nonce, &query)) {
		ctl_response_error(t, STUN_ERR_BAD_REQUEST);
		ctl_transaction_end(t);
		return;
	}
	// Until the answer the five-tuple is busy; an answer from within the call finds it so, too.
	ctl_transaction_hold(t, CTL_TRANSACTION_LOOKUP);
	turn->users->lookup(turn->users, &query, on_user, t);
}
