// SPDX-License-Identifier: BSD-3-Clause
// Building and sending responses. An authenticated request's response carries MESSAGE-INTEGRITY and
// is remembered for its retransmissions; FINGERPRINT is there when the request had it.
#include "common/wire/challenge.h"
#include "control/turn/turn_private.h"

#define FINGERPRINT_BYTES (STUN_ATTR_HEADER_BYTES + 4)

static void begin(struct ctl_transaction *t, enum stun_class class)
{
	stun_write_begin(&t->writer, t->response, sizeof(t->response), class, t->message.method,
		t->message.transaction_id);
}

// RFC 8489 section 9.2.4: of the kind that the request's password algorithms ask for.
static int append_integrity(struct ctl_transaction *t)
{
	struct ctl_crypto *crypto = t->turn->crypto;
	return t->sha256 ? ctl_integrity_sha256_append(
				   crypto, &t->writer, t->key.bytes, t->key.length)
			 : ctl_integrity_append(crypto, &t->writer, t->key.bytes, t->key.length);
}

// SOFTWARE (not in a challenge: it is kept short), MESSAGE-INTEGRITY, FINGERPRINT, in this order.
static void finish(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	t->response_length = 0;
	if (turn->software[0] && !t->challenge)
		stun_write_attr(
			&t->writer, STUN_ATTR_SOFTWARE, turn->software, strlen(turn->software));
	if (t->authenticated && append_integrity(t))
		return;
	if (stun_has_fingerprint(&t->message))
		stun_write_fingerprint(&t->writer);
	int length = stun_write_finish(&t->writer);
	if (length > 0)
		t->response_length = (size_t)length;
}

static void send(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	if (t->response_length == 0)
		return;
	if (t->authenticated)
		ctl_replay_add(&turn->replay, &t->replay_key, t->response, t->response_length,
			turn->now.now_ns);
	turn->send(turn->send_context, &t->request.reply_to, &t->respond_from, &t->respond_to,
		t->response, t->response_length);
}

// ---- Success.

void ctl_response_begin(struct ctl_transaction *t)
{
	begin(t, STUN_SUCCESS);
}

void ctl_response_build(struct ctl_transaction *t)
{
	finish(t);
}

void ctl_response_success(struct ctl_transaction *t)
{
	finish(t);
	if (t->change.first_sequence == 0 && !t->listens)
		ctl_response_release(t);
}

void ctl_response_release(struct ctl_transaction *t)
{
	t->turn->counters.successes[t->method]++;
	send(t);
}

// ---- Errors.

static void count_error(struct ctl_transaction *t, enum stun_err code)
{
	unsigned int e = 0;
	while (e < CTL_ERRORS && ctl_turn_error_code(e) != (int)code)
		e++;
	if (e < CTL_ERRORS)
		t->turn->counters.errors[t->method][e]++;
}

void ctl_response_error(struct ctl_transaction *t, enum stun_err code)
{
	begin(t, STUN_ERROR);
	stun_write_error(&t->writer, code);
	if (code == STUN_ERR_TRY_ALTERNATE)
		ctl_alternate_write(t);
	count_error(t, code);
	finish(t);
	send(t);
}

void ctl_response_unknown(struct ctl_transaction *t, const uint16_t *types, size_t count)
{
	begin(t, STUN_ERROR);
	stun_write_error(&t->writer, STUN_ERR_UNKNOWN_ATTRIBUTE);
	stun_write_unknown_attributes(&t->writer, types, count);
	count_error(t, STUN_ERR_UNKNOWN_ATTRIBUTE);
	finish(t);
	send(t);
}

void ctl_response_challenge(struct ctl_transaction *t, enum stun_err code)
{
	struct ctl_turn *turn = t->turn;
	char nonce[TP_NONCE_CHARS];
	ctl_nonce_write(ctl_store_nonce_keys(turn->store), turn->now.wall_ns,
		STUN_CHALLENGE_FEATURES, &t->request.client, &t->request.listener, nonce);
	t->authenticated = false;
	t->challenge = true;
	begin(t, STUN_ERROR);
	stun_write_challenge(&t->writer, code, turn->realms->name[t->realm],
		turn->oauth ? ctl_oauth_server_name(turn->oauth) : NULL, nonce,
		STUN_CHALLENGE_FEATURES, stun_has_fingerprint(&t->message) ? FINGERPRINT_BYTES : 0,
		STUN_CHALLENGE_MAX_BYTES(t->request.length));
	count_error(t, code);
	finish(t);
	send(t);
}
