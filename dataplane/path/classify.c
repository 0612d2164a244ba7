// SPDX-License-Identifier: BSD-3-Clause
// What a datagram to a listener is, by its first byte (RFC 7983 section 7, RFC 8656 section 12.6),
// and under which key its flow stands.
#include "common/wire/chandata.h"
#include "common/wire/stun.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"

static void key_client(struct dp_packet *p, uint16_t channel)
{
	p->key.local = p->listener;
	p->key.selector = channel;
	p->key.side = DP_KEY_CLIENT;
}

// Takes the header and what stands after Length off the packet.
static void classify_channel(const struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	const uint8_t *at = dp_packet_at(p, p->payload);
	uint16_t channel, length;

	if (p->m->data_len < p->payload + CHANDATA_HEADER_BYTES ||
		!chandata_read(at, p->payload_length, w->channel_max, &channel, &length)) {
		dp_packet_drop(b, p, TP_DROP_bad_chandata);
		return;
	}
	p->sum = dp_sum_subtract(p->sum, dp_sum4(at));
	uint32_t trailing = p->payload_length - CHANDATA_HEADER_BYTES - (uint32_t)length;
	if (trailing != 0) {
		uint32_t from = p->payload + CHANDATA_HEADER_BYTES + (uint32_t)length;
		uint32_t sum = dp_sum_mbuf(p->m, from, trailing);
		p->sum = dp_sum_subtract(p->sum, tp_sum_at(sum, length));
	}
	p->payload = (uint16_t)(p->payload + CHANDATA_HEADER_BYTES);
	p->payload_length = length;
	key_client(p, channel);
	dp_packet_next(b, p, DP_VERDICT_CHANNEL);
}

static bool of_stream(const struct dp_packet *p)
{
	return p->in.family == TP_FAMILY_STREAM;
}

// Of ChannelData nobody need ask whether the listener takes it by UDP: without an allocation, which
// begins with STUN, there is no channel.
static void classify_stun(const struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	if (!of_stream(p) && !dp_listener_serves(w->locals, p->listener, CONF_TRANSPORT_UDP)) {
		dp_packet_drop(b, p, TP_DROP_bad_first_byte);
	} else if (p->payload_length >= STUN_HEADER_BYTES) {
		key_client(p, 0);
		dp_packet_next(b, p, DP_VERDICT_STUN);
	} else {
		dp_packet_drop(b, p, TP_DROP_bad_stun);
	}
}

static void classify_dtls(const struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	if (of_stream(p))
		dp_packet_drop(b, p, TP_DROP_bad_first_byte);
	else if (dp_listener_serves(w->locals, p->listener, CONF_TRANSPORT_DTLS))
		dp_packet_next(b, p, DP_VERDICT_DTLS);
	else
		dp_packet_drop(b, p, TP_DROP_dtls_unserved);
}

static void classify_listener(const struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	if (p->payload_length == 0 || p->m->data_len <= p->payload || p->in.src_port == 0) {
		dp_packet_drop(b, p, TP_DROP_bad_first_byte);
		return;
	}
	uint8_t first = *dp_packet_at(p, p->payload);
	if (first >= 0x40 && first <= w->channel_max >> 8) {
		classify_channel(w, b, p);
	} else if (first < 4) {
		classify_stun(w, b, p);
	} else if (first >= 20 && first <= 63) {
		classify_dtls(w, b, p);
	} else {
		dp_packet_drop(b, p, TP_DROP_bad_first_byte);
	}
}

void dp_step_classify(struct dp_worker *w, struct dp_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict == DP_VERDICT_LISTENER) {
			classify_listener(w, b, p);
		} else if (p->verdict == DP_VERDICT_PEER) {
			p->key.local = p->local;
			p->key.selector = p->in.dst_port;
			p->key.side = DP_KEY_PEER;
			// Without a port the key is the permission's: no channel can be meant.
			if (p->in.src_port == 0)
				dp_packet_next(b, p, DP_VERDICT_DATA);
		}
	}
}
