// SPDX-License-Identifier: BSD-3-Clause
// The first Allocate of a client, without integrity, is answered 401 on the spot (RFC 8489 section
// 9.2.4, RFC 8656 section 7.2): no state, no control, the same bytes that control would send. What
// cannot be answered here is control's.
#include "common/base/clock.h"
#include "common/wire/challenge.h"
#include "dataplane/path/answer.h"
#include "dataplane/path/count.h"

#define CHALLENGE_MOST_BYTES 1024 // the longest realm takes 512
#define FINGERPRINT_BYTES    (STUN_ATTR_HEADER_BYTES + 4)

static void write_nonce(const struct dp_worker *w, const struct dp_batch *b,
	const struct dp_packet *p, const struct dp_nonce_sign *sign, char out[TP_NONCE_CHARS])
{
	uint16_t listener_local;
	struct tp_siphash_key key;
	struct tp_nonce nonce = {
		.features = STUN_CHALLENGE_FEATURES,
		.time_s = (uint32_t)((b->now_ns + sign->wall_offset_ns) / TP_NS_PER_S),
		.client.ip.family = p->in.family,
		.client.port = rte_be_to_cpu_16(p->in.src_port),
		.listener = *dp_listener_at(w->locals, p->listener, &listener_local),
	};

	memcpy(nonce.client.ip.bytes, p->key.ip, sizeof(nonce.client.ip.bytes));
	memcpy(key.bytes, sign->key, sizeof(key.bytes));
	tp_nonce_write(&key, &nonce, out);
	explicit_bzero(&key, sizeof(key));
}

// Length of the answer, or -ENOBUFS.
static int write_answer(const struct dp_worker *w, const struct dp_packet *p, uint8_t *at,
	const char nonce[TP_NONCE_CHARS])
{
	struct stun_writer writer;
	uint8_t transaction_id[STUN_TRANSACTION_ID_BYTES];
	bool fingerprint = (p->flags & DP_PACKET_FINGERPRINT) != 0;

	memcpy(transaction_id, at + 8, sizeof(transaction_id));
	stun_write_begin(
		&writer, at, CHALLENGE_MOST_BYTES, STUN_ERROR, STUN_ALLOCATE, transaction_id);
	stun_write_challenge(&writer, STUN_ERR_UNAUTHENTICATED,
		dp_listener_realm(w->locals, p->listener), nonce, STUN_CHALLENGE_FEATURES,
		fingerprint ? FINGERPRINT_BYTES : 0,
		STUN_CHALLENGE_MAX_BYTES((size_t)p->payload_length));
	if (fingerprint)
		stun_write_fingerprint(&writer);
	return stun_write_finish(&writer);
}

static void answer(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct dp_nonce_sign sign;
	char nonce[TP_NONCE_CHARS];
	uint8_t *at;

	if (!dp_nonce_take(&w->dp->nonce_key, &sign) ||
		(at = dp_answer_begin(p, CHALLENGE_MOST_BYTES)) == NULL) {
		dp_packet_next(b, p, DP_VERDICT_PUNT);
		return;
	}
	write_nonce(w, b, p, &sign, nonce);
	explicit_bzero(&sign, sizeof(sign));
	int length = write_answer(w, p, at, nonce);
	if (length < 0) {
		dp_packet_drop(b, p, TP_DROP_no_headroom);
		return;
	}
	dp_answer_send(w, b, p, (uint32_t)length);
	dp_count(w, TP_COUNTER_challenge, 1);
}

void dp_step_challenge(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_CHALLENGE))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict == DP_VERDICT_CHALLENGE)
			answer(w, b, &b->packet[i]);
	}
}
