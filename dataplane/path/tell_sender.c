// SPDX-License-Identifier: BSD-3-Clause
// A datagram that cannot go on is a drop, and its sender is told as by a router (RFC 8656 section
// 13), within a budget. One that neither fits nor may be fragmented: ICMP 3/4 (RFC 1191) or Packet
// Too Big (RFC 4443 section 3.2) with the MTU. One whose hop limit is used up: Time Exceeded
// (RFC 792, RFC 4443 section 3.3).
#include <netinet/in.h>

#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/link.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/tx.h"

#define ICMP_HEADER_BYTES 8
#define ICMPV4_MOST       576  // RFC 1812 section 4.3.2.3
#define ICMPV6_MOST       1280 // RFC 4443 section 2.4 (c)
#define IPV4_LEAST_MTU    68
#define IPV6_LEAST_MTU    1280
#define INDICATION_BYTES  48 // RFC 8656 section 13: room for a Data indication

// What the sender may put into an IP packet of its family.
static uint32_t sender_mtu(const struct dp_packet *p)
{
	int64_t mtu = p->mtu;

	if (p->prefix == DP_PREFIX_NONE) {
		int64_t out = (int64_t)dp_ip_header_bytes(p->out_family) + 8 + p->payload_length;
		mtu += p->in.l3_length - out;
	} else {
		mtu += (int64_t)dp_ip_header_bytes(p->in.family) -
		       dp_ip_header_bytes(p->out_family) - INDICATION_BYTES;
	}
	return (uint32_t)RTE_MAX(
		mtu, (int64_t)(p->in.family == TP_FAMILY_IPV4 ? IPV4_LEAST_MTU : IPV6_LEAST_MTU));
}

struct error {
	uint8_t type, code;
	uint32_t data; // MTU, or zero
};

static struct error error_about(const struct dp_packet *p)
{
	bool ipv4 = p->in.family == TP_FAMILY_IPV4;

	if (p->reason == TP_DROP_ttl_exceeded)
		return (struct error){.type = ipv4 ? 11 : 3};
	return (struct error){ipv4 ? 3 : 2, ipv4 ? 4 : 0, sender_mtu(p)};
}

static void write_icmp(uint8_t *icmp, struct error e)
{
	tp_wr32(icmp, (uint32_t)e.type << 24 | (uint32_t)e.code << 16);
	tp_wr32(icmp + 4, e.data);
}

// Source: the address the datagram was sent to. Destination: its sender. `ip` and the ICMP header
// with the quote behind it are written already but for the checksums.
static void write_ipv4(uint8_t *ip, const uint8_t *to_us, uint32_t length)
{
	uint8_t *icmp = ip + 20;
	uint16_t checksum = 0;

	ip[0] = 0x45;
	ip[1] = 0;
	tp_wr16(ip + 2, (uint16_t)length);
	tp_wr32(ip + 4, 0);
	ip[8] = DP_MADE_HOP_LIMIT;
	ip[9] = IPPROTO_ICMP;
	memcpy(ip + 10, &checksum, 2);
	memcpy(ip + 12, to_us + 16, 4);
	memcpy(ip + 16, to_us + 12, 4);
	checksum = tp_checksum(dp_sum_words(ip, 20));
	memcpy(ip + 10, &checksum, 2);

	checksum = tp_checksum(rte_raw_cksum(icmp, length - 20));
	memcpy(icmp + 2, &checksum, 2);
}

static void write_ipv6(uint8_t *ip, const uint8_t *to_us, uint32_t length)
{
	uint8_t *icmp = ip + 40;
	uint32_t body = length - 40;

	tp_wr32(ip, UINT32_C(6) << 28);
	tp_wr16(ip + 4, (uint16_t)body);
	ip[6] = IPPROTO_ICMPV6;
	ip[7] = DP_MADE_HOP_LIMIT;
	memcpy(ip + 8, to_us + 24, 16);
	memcpy(ip + 24, to_us + 8, 16);

	uint16_t checksum =
		tp_checksum((uint64_t)rte_raw_cksum(icmp, body) + dp_sum_words(ip + 8, 32) +
			    rte_cpu_to_be_16((uint16_t)body) + rte_cpu_to_be_16(IPPROTO_ICMPV6));
	memcpy(icmp + 2, &checksum, 2);
}

static struct rte_mbuf *make_error(struct dp_worker *w, const struct dp_packet *p)
{
	bool ipv4 = p->in.family == TP_FAMILY_IPV4;
	uint32_t ether = p->vlan == DP_UNTAGGED ? 14 : 18;
	uint32_t headers = dp_ip_header_bytes(p->in.family) + ICMP_HEADER_BYTES;
	uint32_t quote =
		RTE_MIN((uint32_t)p->in.l3_length, (ipv4 ? ICMPV4_MOST : ICMPV6_MOST) - headers);

	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);
	if (m == NULL)
		return NULL;
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(ether + headers + quote));
	if (at == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	const void *bytes = rte_pktmbuf_read(p->m, p->in.l3_offset, quote, at + ether + headers);
	if (bytes != at + ether + headers)
		memcpy(at + ether + headers, bytes, quote);
	const uint8_t *to_us = dp_packet_at(p, p->in.l3_offset);
	write_icmp(at + ether + headers - ICMP_HEADER_BYTES, error_about(p));
	if (ipv4)
		write_ipv4(at + ether, to_us, headers + quote);
	else
		write_ipv6(at + ether, to_us, headers + quote);
	return m;
}

static void tell_sender(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	uint32_t mtu = p->mtu;
	uint32_t most = p->in.family == TP_FAMILY_IPV4 ? ICMPV4_MOST : ICMPV6_MOST;

	// Over a stream no datagram came that an ICMP error could quote.
	if (p->in.family == TP_FAMILY_STREAM)
		return;
	if (!dp_police(&w->icmp_out_level, DP_ICMP_KBYTES_PER_S, most, b->now_ns))
		return;
	dp_reply_route(w, b, p);
	dp_next_hop_resolve(w, p);
	p->mtu = (uint16_t)mtu;
	struct rte_mbuf *m = make_error(w, p);
	if (m == NULL)
		return;
	dp_write_ethernet(w, p, rte_pktmbuf_mtod(m, uint8_t *),
		p->in.family == TP_FAMILY_IPV4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	dp_tx_append(w, p->out_port, m, DP_FRAME_OWN);
}

void dp_step_tell_sender(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_TELL_SENDER))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_TELL_SENDER)
			continue;
		tell_sender(w, b, p);
		dp_packet_drop(b, p, (enum tp_drop_reason)p->reason);
	}
}
