// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors about datagrams that left a relayed address become Data indications with an ICMP
// attribute (RFC 8656 sections 11.5 and 18.13). Permission is asked for the destination of the
// quoted datagram, never for the sender of the error.
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/towards_client.h"

// Error data is the next hop's MTU where there is one, else zero (section 18.13).
static void read_error(struct dp_packet *p, uint32_t rest)
{
	bool ipv4 = p->in.family == TP_FAMILY_IPV4;

	p->icmp_type = p->in.icmp_type;
	p->icmp_code = p->in.icmp_code;
	p->icmp_data = 0;
	if (ipv4 && p->icmp_type == 3 && p->icmp_code == 4)
		p->icmp_data = rte_cpu_to_be_32(rest & 0xffff);
	else if (!ipv4 && p->icmp_type == 2)
		p->icmp_data = rte_cpu_to_be_32(rest);
}

// Fills the key of the permission; false when it is nothing for us. The quoted source must be the
// relayed address that the error was sent to.
static bool read_quote(struct dp_worker *w, struct dp_packet *p)
{
	const uint8_t *frame = dp_packet_at(p, 0);
	struct tp_quoted q;

	if (p->m->nb_segs > 1 || !tp_packet_is_icmp_error(&p->in) ||
		!tp_packet_checksum_ok(frame, &p->in) ||
		tp_packet_parse_quoted(frame, &p->in, &q) != TP_PARSE_OK)
		return false;
	read_error(p, q.rest);
	p->shown_port = q.dst_port;
	p->key = (struct dp_flow_key){
		.local = p->local,
		.selector = q.src_port,
		.side = DP_KEY_PEER,
		.family = p->in.family,
	};
	memcpy(p->key.ip, q.dst_ip, p->in.family == TP_FAMILY_IPV4 ? 4 : 16);
	return dp_local_find(w->locals, p->in.family, q.src_ip) == p->local &&
	       dp_local_at(w->locals, p->local)->relay &&
	       dp_local_relay_port(w->locals, q.src_port);
}

void dp_step_icmp_quote(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_ICMP))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict == DP_VERDICT_ICMP && !read_quote(w, p))
			dp_packet_drop(b, p, TP_DROP_icmp_ignored);
	}
}

static void relay_error(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	const struct dp_flow *flow = p->flow;
	uint32_t bytes = dp_prefix_bytes(DP_PREFIX_ICMP, p->key.family);

	if (flow == NULL ||
		b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed) ||
		!dp_police(&w->icmp_in_level, DP_ICMP_KBYTES_PER_S, bytes, b->now_ns)) {
		dp_packet_drop(b, p, TP_DROP_icmp_ignored);
		return;
	}
	p->payload = p->in.payload_offset;
	p->payload_length = 0;
	p->sum = 0;
	p->flags = DP_PACKET_MADE;
	p->prefix = DP_PREFIX_ICMP;
	p->shown_ip = p->key.ip;
	dp_towards_client(w, b, p, flow);
}

void dp_step_icmp_relay(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t relayed = 0;

	if (!dp_batch_has(b, DP_VERDICT_ICMP))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_ICMP)
			continue;
		relay_error(w, b, p);
		relayed += p->verdict != DP_VERDICT_DROP;
	}
	dp_count(w, TP_COUNTER_icmp_down, relayed);
}
