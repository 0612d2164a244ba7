// SPDX-License-Identifier: BSD-3-Clause
// From the frame to addresses, ports and payload, and whose packet it is.
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"

// Takes the UDP checksum apart into the claimed sum of the payload.
static void begin_udp(struct dp_packet *p)
{
	const struct tp_packet *in = &p->in;

	p->payload = in->payload_offset;
	p->payload_length = in->payload_length;
	if (in->udp_checksum == 0) {
		p->flags |= DP_PACKET_ZERO_SUM;
		return;
	}
	uint64_t headers = dp_sum_address(in->family, in->src_ip) +
			   dp_sum_address(in->family, in->dst_ip) + in->src_port + in->dst_port +
			   2 * (uint64_t)tp_sum_word(in->udp_length) + tp_sum_word(TP_PROTO_UDP);
	p->sum = dp_sum_subtract((uint16_t)~in->udp_checksum, headers);
}

// A listener's, or in the relay range of a relay address.
static void deliver_udp(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	begin_udp(p);
	p->listener = dp_listener_find(w->locals, p->local, p->in.dst_port);
	if (p->listener != DP_LISTENER_NONE) {
		dp_packet_next(b, p, DP_VERDICT_LISTENER);
	} else if (dp_local_at(w->locals, p->local)->relay &&
		   dp_local_relay_port(w->locals, p->in.dst_port)) {
		// Its headers grow to the front, into the line before.
		__builtin_prefetch(dp_packet_at(p, 0) - RTE_CACHE_LINE_SIZE, 1, 3);
		dp_packet_next(b, p, DP_VERDICT_PEER);
	} else {
		dp_packet_drop(b, p, TP_DROP_not_ours);
	}
}

static void deliver(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p, bool fragment)
{
	const struct tp_packet *in = &p->in;

	p->local = dp_local_find(w->locals, in->family, in->dst_ip);
	if (p->local == DP_LOCAL_NONE) {
		dp_packet_drop(b, p, TP_DROP_not_ours);
		return;
	}
	p->hop_limit = in->hop_limit;
	p->key = (struct dp_flow_key){.port = in->src_port, .family = in->family};
	memcpy(p->key.ip, in->src_ip, in->family == TP_FAMILY_IPV4 ? 4 : 16);
	if (fragment)
		dp_packet_next(b, p, DP_VERDICT_FRAGMENT);
	else if (in->protocol == TP_PROTO_UDP)
		deliver_udp(w, b, p);
	else
		dp_packet_next(b, p, DP_VERDICT_ICMP);
}

static enum tp_drop_reason reason_of(enum tp_parse_result result)
{
	switch (result) {
	case TP_PARSE_NOT_IP:
		return TP_DROP_not_ip;
	case TP_PARSE_BAD_IP:
		return TP_DROP_bad_ip;
	case TP_PARSE_BAD_UDP:
		return TP_DROP_bad_udp;
	case TP_PARSE_NOT_UDP:
		return TP_DROP_not_udp;
	default:
		return TP_DROP_short_frame;
	}
}

void dp_step_parse(struct dp_worker *w, struct dp_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		// Only reassembly makes chains, and leaves all headers in the first segment.
		enum tp_parse_result result =
			tp_packet_parse(dp_packet_at(p, 0), p->m->pkt_len, &p->in);
		if (likely(result == TP_PARSE_OK || result == TP_PARSE_FRAGMENT))
			deliver(w, b, p, result == TP_PARSE_FRAGMENT);
		else
			dp_packet_drop(b, p, reason_of(result));
	}
}
