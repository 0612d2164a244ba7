// SPDX-License-Identifier: BSD-3-Clause
// A datagram that exceeds the link's MTU and may be fragmented leaves as fragments (RFC 791,
// RFC 8200 section 4.5). Each is a copy in a buffer of its own: nothing chained, indirect or shared
// goes to a port.
#include <netinet/in.h>

#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/tx.h"

#define FRAGMENTS_MOST  64
#define IPV6_LEAST_MTU  1280 // what RFC 8656 section 13.2 asks of our IPv6 fragments
#define EXTENSION_BYTES 8

struct plan {
	uint32_t ether;  // bytes before the IP header
	uint32_t header; // IP header of the datagram
	uint32_t front;  // bytes before the data of a fragment
	uint32_t chunk;  // data bytes of all but the last
	uint32_t data;   // bytes to spread
	uint32_t id;
	bool ipv4;
};

static bool make_plan(struct dp_worker *w, const struct dp_packet *p, struct plan *plan)
{
	uint32_t room = rte_pktmbuf_data_room_size(w->dp->pool) - RTE_PKTMBUF_HEADROOM;
	bool ipv4 = p->out_family == TP_FAMILY_IPV4;
	uint32_t mtu = ipv4 ? p->mtu : RTE_MIN(p->mtu, (uint16_t)IPV6_LEAST_MTU);

	plan->ipv4 = ipv4;
	plan->ether = p->vlan == DP_UNTAGGED ? 14 : 18;
	plan->header = dp_ip_header_bytes(p->out_family);
	plan->front = plan->ether + plan->header + (ipv4 ? 0 : EXTENSION_BYTES);
	plan->data = p->m->pkt_len - plan->ether - plan->header;
	plan->id = (uint32_t)dp_random(w);
	mtu = RTE_MIN(mtu, room - plan->ether);
	if (mtu < plan->front - plan->ether + 8)
		return false;
	plan->chunk = (mtu - (plan->front - plan->ether)) & ~7u;
	return true;
}

// Headers of the fragment that carries [from, from + length) of the data.
static void write_headers(const struct plan *plan, const uint8_t *datagram, uint8_t *out,
	uint32_t from, uint32_t length)
{
	uint8_t *ip = out + plan->ether;
	bool more = from + length < plan->data;

	memcpy(out, datagram, plan->ether + plan->header);
	if (plan->ipv4) {
		uint16_t checksum = 0;
		tp_wr16(ip + 2, (uint16_t)(plan->header + length));
		tp_wr16(ip + 6, (uint16_t)(from >> 3 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
		memcpy(ip + 10, &checksum, 2);
		checksum = tp_checksum(dp_sum_words(ip, 20));
		memcpy(ip + 10, &checksum, 2);
		return;
	}
	uint8_t *extension = ip + plan->header;
	tp_wr16(ip + 4, (uint16_t)(EXTENSION_BYTES + length));
	ip[6] = IPPROTO_FRAGMENT;
	extension[0] = IPPROTO_UDP;
	extension[1] = 0;
	tp_wr16(extension + 2, (uint16_t)(from | more));
	tp_wr32(extension + 4, plan->id);
}

static struct rte_mbuf *make_fragment(
	struct dp_worker *w, const struct dp_packet *p, const struct plan *plan, uint32_t from)
{
	uint32_t length = RTE_MIN(plan->chunk, plan->data - from);
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);

	if (m == NULL)
		return NULL;
	uint8_t *out = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(plan->front + length));
	if (out == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	write_headers(plan, rte_pktmbuf_mtod(p->m, const uint8_t *), out, from, length);
	const void *data = rte_pktmbuf_read(
		p->m, plan->ether + plan->header + from, length, out + plan->front);
	if (data != out + plan->front)
		memcpy(out + plan->front, data, length);
	return m;
}

// All or nothing: the first fragment stands for the datagram in the books, the others for nothing.
static void fragment(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct rte_mbuf *m[FRAGMENTS_MOST];
	struct plan plan;
	uint32_t n = 0;

	if (!make_plan(w, p, &plan) || plan.chunk * FRAGMENTS_MOST < plan.data) {
		dp_packet_drop(b, p, TP_DROP_too_big);
		return;
	}
	for (uint32_t from = 0; from < plan.data; from += plan.chunk) {
		m[n] = make_fragment(w, p, &plan, from);
		if (m[n] == NULL) {
			rte_pktmbuf_free_bulk(m, n);
			dp_packet_drop(b, p, TP_DROP_no_mbuf);
			return;
		}
		n++;
	}
	uint32_t rest = p->stands_for & DP_FRAME_INJECTED ? DP_FRAME_REST : 0;
	for (uint32_t i = 0; i < n; i++)
		dp_tx_append(w, p->out_port, m[i], i == 0 ? p->stands_for : rest);
	dp_count(w, TP_COUNTER_fragmented, 1);
	rte_pktmbuf_free(p->m);
	dp_packet_next(b, p, DP_VERDICT_HELD);
}

void dp_step_fragment(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_OVERSIZE))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict == DP_VERDICT_OVERSIZE)
			fragment(w, b, &b->packet[i]);
	}
}
