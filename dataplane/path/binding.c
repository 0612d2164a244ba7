// SPDX-License-Identifier: BSD-3-Clause
// A Binding request that asks for nothing but its address is answered on the spot (RFC 8489
// section 7.3.1): XOR-MAPPED-ADDRESS, and FINGERPRINT when the request had one. Nothing else, so
// that the answer to a forged source stays small; but a listener of NAT behaviour discovery must
// tell its addresses as well (RFC 5780 section 6.1).
#include "common/wire/stun.h"
#include "common/wire/stun_write.h"
#include "dataplane/path/answer.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"

#define ADDRESS_BYTES (STUN_ATTR_HEADER_BYTES + 20)
#define ANSWER_BYTES  (STUN_HEADER_BYTES + 4 * ADDRESS_BYTES + 8)

static void write_discovery(struct stun_writer *writer, const struct dp_discovery *discovery,
	const struct tp_addr *mapped)
{
	if (discovery->other.ip.family == TP_FAMILY_NONE)
		return;
	stun_write_address(writer, STUN_ATTR_MAPPED_ADDRESS, mapped);
	stun_write_address(writer, STUN_ATTR_RESPONSE_ORIGIN, &discovery->origin);
	stun_write_address(writer, STUN_ATTR_OTHER_ADDRESS, &discovery->other);
}

static void answer(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct stun_writer writer;
	uint8_t transaction_id[STUN_TRANSACTION_ID_BYTES];
	struct tp_addr mapped = {
		.ip.family = p->in.family,
		.port = rte_be_to_cpu_16(p->in.src_port),
	};
	bool fingerprint = (p->flags & DP_PACKET_FINGERPRINT) != 0;

	uint8_t *at = dp_answer_begin(p, ANSWER_BYTES);
	if (at == NULL) {
		dp_packet_drop(b, p, TP_DROP_no_headroom);
		return;
	}
	memcpy(mapped.ip.bytes, p->key.ip, sizeof(mapped.ip.bytes));
	memcpy(transaction_id, at + 8, sizeof(transaction_id));
	stun_write_begin(&writer, at, ANSWER_BYTES, STUN_SUCCESS, STUN_BINDING, transaction_id);
	stun_write_xor_address(&writer, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
	write_discovery(&writer, dp_listener_discovery(w->locals, p->listener), &mapped);
	if (fingerprint)
		stun_write_fingerprint(&writer);
	int length = stun_write_finish(&writer);
	if (length < 0) {
		dp_packet_drop(b, p, TP_DROP_no_headroom);
		return;
	}
	dp_answer_send(w, b, p, (uint32_t)length);
}

void dp_step_binding(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t answered = 0;

	if (!dp_batch_has(b, DP_VERDICT_BINDING))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_BINDING)
			continue;
		answer(w, b, p);
		answered += p->verdict != DP_VERDICT_DROP;
	}
	dp_count(w, TP_COUNTER_binding, answered);
}
