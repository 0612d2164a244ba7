// SPDX-License-Identifier: BSD-3-Clause
// Writes what stands before the application data, from the inside out: ChannelData header or Data
// indication, UDP, IP, Ethernet; and closes the checksum.
#include <netinet/in.h>

#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/link.h"
#include "dataplane/path/prefix.h"
#include "dataplane/path/steps.h"

// Cuts the chain to `length` bytes of data from its start, freeing what is behind.
static void cut(struct rte_mbuf *m, uint32_t length)
{
	if (likely(m->nb_segs == 1)) {
		m->pkt_len = length;
		m->data_len = (uint16_t)length;
		return;
	}
	struct rte_mbuf *at = m;
	uint32_t left = length;
	uint16_t segments = 1;
	while (left > at->data_len && at->next != NULL) {
		left -= at->data_len;
		at = at->next;
		segments++;
	}
	at->data_len = (uint16_t)left;
	rte_pktmbuf_free(at->next);
	at->next = NULL;
	m->nb_segs = segments;
	m->pkt_len = length;
}

// Puts the prefix at `at`; what it adds to the claimed sum is added there.
static void write_prefix(struct dp_worker *w, struct dp_packet *p, uint8_t *at, uint32_t bytes)
{
	if (p->prefix == DP_PREFIX_NONE)
		return;
	if (p->prefix == DP_PREFIX_CHANNEL) {
		p->sum = tp_sum_fold((uint64_t)p->sum + dp_write_channel(p, at));
		return;
	}
	dp_write_indication(w, p, at, bytes);
	p->sum = tp_sum_fold(p->sum + dp_sum_words(at, bytes));
}

// Zero bytes after the data, in the last segment; false without room.
static bool pad(struct dp_packet *p, uint32_t bytes)
{
	if (bytes == 0)
		return true;
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(p->m, (uint16_t)bytes);
	if (at == NULL)
		return false;
	memset(at, 0, bytes);
	return true;
}

static uint32_t tos(const struct dp_worker *w, const struct dp_packet *p)
{
	return (p->in.tos & w->tos_keep) | w->tos_set;
}

static uint32_t ipv4_id(struct dp_worker *w, const struct dp_packet *p)
{
	if (w->keep_ipv4_id && p->in.family == TP_FAMILY_IPV4 && !(p->flags & DP_PACKET_MADE))
		return p->in.fragment_id & UINT16_MAX;
	return w->ipv4_id++;
}

// The header is summed in registers: reading back what narrower stores just wrote would stall.
static void write_ipv4(struct dp_worker *w, const struct dp_packet *p,
	const struct dp_local *source, uint8_t *at, uint32_t length)
{
	bool df = p->in.family != TP_FAMILY_IPV6 && (p->in.df || p->flags & DP_PACKET_SEND_DF) &&
		  !(p->flags & DP_PACKET_MADE);
	uint32_t word[5] = {
		htobe32(UINT32_C(0x45) << 24 | tos(w, p) << 16 | length),
		htobe32(ipv4_id(w, p) << 16 | (df ? RTE_IPV4_HDR_DF_FLAG : 0)),
		htobe32((uint32_t)p->hop_limit << 24 | (uint32_t)IPPROTO_UDP << 16),
	};

	memcpy(&word[3], source->address.bytes, 4);
	memcpy(&word[4], p->out_ip, 4);
	uint16_t checksum = tp_checksum((uint64_t)word[0] + word[1] + word[2] + word[3] + word[4]);
	memcpy(at, word, sizeof(word));
	memcpy(at + 10, &checksum, 2);
}

static void write_ipv6(const struct dp_worker *w, const struct dp_packet *p,
	const struct dp_local *source, uint8_t *at, uint32_t length)
{
	tp_wr32(at, UINT32_C(6) << 28 | tos(w, p) << 20);
	tp_wr16(at + 4, (uint16_t)(length - 40));
	at[6] = IPPROTO_UDP;
	at[7] = p->hop_limit;
	memcpy(at + 8, source->address.bytes, 16);
	memcpy(at + 24, p->out_ip, 16);
}

// `length` of header and payload. Zero stays zero between IPv4 and IPv4; towards IPv6 the payload
// (prefix included, so p->sum is not used) is summed in full.
static void write_udp(const struct dp_packet *p, const struct dp_local *source, uint8_t *at,
	uint32_t length, uint32_t offset)
{
	uint16_t length_word = rte_cpu_to_be_16((uint16_t)length), checksum = 0;
	uint64_t sum = p->sum;

	memcpy(at, &p->out_source_port, 2);
	memcpy(at + 2, &p->out_destination_port, 2);
	memcpy(at + 4, &length_word, 2);
	if (p->flags & DP_PACKET_ZERO_SUM && p->out_family == TP_FAMILY_IPV6)
		sum = dp_sum_mbuf(p->m, offset + 8, length - 8);
	if (!(p->flags & DP_PACKET_ZERO_SUM) || p->out_family == TP_FAMILY_IPV6) {
		sum += source->source_sum + dp_sum_address(p->out_family, p->out_ip) +
		       p->out_source_port + p->out_destination_port + 2 * (uint64_t)length_word +
		       rte_cpu_to_be_16(IPPROTO_UDP);
		checksum = tp_checksum_udp(sum);
	}
	memcpy(at + 6, &checksum, 2);
}

// Moves the start of the packet so that `headers` bytes stand before the payload; segments that
// hold nothing but old headers are freed. False without room.
static bool make_room(struct dp_packet *p, uint32_t headers)
{
	uint32_t offset = p->payload;

	while (unlikely(offset >= p->m->data_len && p->m->next != NULL)) {
		struct rte_mbuf *next = p->m->next;
		offset -= p->m->data_len;
		next->pkt_len = p->m->pkt_len - p->m->data_len;
		next->nb_segs = (uint16_t)(p->m->nb_segs - 1);
		p->m->next = NULL;
		p->m->nb_segs = 1;
		rte_pktmbuf_free_seg(p->m);
		p->m = next;
	}
	if (p->m->data_off + offset < headers)
		return false;
	uint16_t data_off = (uint16_t)(p->m->data_off + offset - headers);
	p->m->pkt_len += (uint32_t)(p->m->data_off - data_off);
	p->m->data_len = (uint16_t)(p->m->data_len + (p->m->data_off - data_off));
	p->m->data_off = data_off;
	return true;
}

static void encap(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	uint32_t ether = p->vlan == DP_UNTAGGED ? 14 : 18;
	uint32_t ip = dp_ip_header_bytes(p->out_family);
	uint32_t prefix = dp_prefix_bytes((enum dp_prefix)p->prefix, p->key.family);
	uint32_t padding = dp_prefix_padding(p);
	uint32_t headers = ether + ip + 8 + prefix;
	const struct dp_local *source = dp_local_at(w->locals, p->out_local);

	if (!make_room(p, headers)) {
		dp_packet_drop(b, p, TP_DROP_no_headroom);
		return;
	}
	cut(p->m, headers + p->payload_length);
	if (!pad(p, padding)) {
		dp_packet_drop(b, p, TP_DROP_no_headroom);
		return;
	}
	uint8_t *at = rte_pktmbuf_mtod(p->m, uint8_t *);
	uint32_t udp_length = 8 + prefix + p->payload_length + padding;

	write_prefix(w, p, at + ether + ip + 8, prefix);
	write_udp(p, source, at + ether + ip, udp_length, ether + ip);
	if (p->out_family == TP_FAMILY_IPV4) {
		write_ipv4(w, p, source, at + ether, ip + udp_length);
		dp_write_ethernet(w, p, at, RTE_ETHER_TYPE_IPV4);
	} else {
		write_ipv6(w, p, source, at + ether, ip + udp_length);
		dp_write_ethernet(w, p, at, RTE_ETHER_TYPE_IPV6);
	}
	if (p->verdict == DP_VERDICT_ENCAP)
		dp_packet_next(b, p, DP_VERDICT_TX);
}

void dp_step_encap(struct dp_worker *w, struct dp_batch *b)
{
	if ((b->seen & (DP_VERDICT_BIT(DP_VERDICT_ENCAP) | DP_VERDICT_BIT(DP_VERDICT_OVERSIZE))) ==
		0)
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict == DP_VERDICT_ENCAP || p->verdict == DP_VERDICT_OVERSIZE)
			encap(w, b, p);
	}
}
