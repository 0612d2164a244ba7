// SPDX-License-Identifier: BSD-3-Clause
// The long-term credential mechanism, RFC 8489 section 9.2.4, in the order of the RFC.
#include <errno.h>

#include "control/turn/turn_private.h"

static bool present(struct ctl_transaction *t, uint16_t type, struct stun_attr *out)
{
	return stun_find(&t->message, type, out) && stun_attr_length_ok(out);
}

// Tries every key, so that the time does not tell which one fits, or whether the user exists.
static bool match_keys(struct ctl_transaction *t, const struct ctl_user_answer *answer)
{
	struct stun_attr mi;
	bool found = false;
	stun_find(&t->message, STUN_ATTR_MESSAGE_INTEGRITY, &mi);
	for (uint32_t i = 0; i < answer->n_keys; i++) {
		bool ok = ctl_integrity_ok(t->turn->crypto, &t->message, &mi, answer->key[i].bytes,
			sizeof(answer->key[i].bytes));
		if (ok && !found)
			t->key = answer->key[i];
		found |= ok;
	}
	return found && answer->result == 0;
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
	if (!match_keys(t, answer)) {
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
	struct stun_attr mi, realm, nonce;

	// 1. No MESSAGE-INTEGRITY: 401 with REALM and NONCE.
	if (!stun_find(&t->message, STUN_ATTR_MESSAGE_INTEGRITY, &mi)) {
		ctl_response_challenge(t, STUN_ERR_UNAUTHENTICATED);
		ctl_transaction_end(t);
		return;
	}
	// 2. With it, but without USERNAME, REALM or NONCE (or malformed): 400.
	if (!stun_attr_length_ok(&mi) || !present(t, STUN_ATTR_USERNAME, &t->user) ||
		!present(t, STUN_ATTR_REALM, &realm) || !present(t, STUN_ATTR_NONCE, &nonce)) {
		ctl_response_error(t, STUN_ERR_BAD_REQUEST);
		ctl_transaction_end(t);
		return;
	}
	// 3. Password algorithms: never offered, so MD5.
	// Until the answer the five-tuple is busy; an answer from within the call finds it so, too.
	ctl_transaction_hold(t, CTL_TRANSACTION_LOOKUP);
	turn->users->lookup(
		turn->users, t->user.value, t->user.length, turn->now.wall_ns, on_user, t);
}
