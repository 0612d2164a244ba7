// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>

#include "bench/core/frames.h"
#include "common/base/bytes.h"

#define ETHER_BYTES    14
#define IP_BYTES       20
#define UDP_BYTES      8
#define CHANNEL_BYTES  4
#define HEADERS_BYTES  (ETHER_BYTES + IP_BYTES + UDP_BYTES)
#define IN_TOS         0xb8
#define IN_HOPS        64
#define DONT_FRAGMENT  0x4000
#define MISSING_NUMBER 0x4fff
#define MISSING_PORT   9

// RFC 1071, byte by byte: deliberately not the product's.
static uint32_t add_bytes(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

static uint16_t finish(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

// Checksum over pseudo header, UDP header (its checksum field as it stands) and payload.
static uint16_t udp_checksum(const uint8_t *ip, size_t udp_len)
{
	uint32_t sum = add_bytes(17 + (uint32_t)udp_len, ip + 12, 8);
	uint16_t checksum = finish(add_bytes(sum, ip + IP_BYTES, udp_len));
	return checksum == 0 ? 0xffff : checksum;
}

static void write_headers(uint8_t *p, const struct world_ends *e, size_t payload_len, uint8_t hops)
{
	uint8_t *ip = p + ETHER_BYTES, *udp = ip + IP_BYTES;

	tp_wr16(p + 12, 0x0800);
	memset(ip, 0, IP_BYTES + UDP_BYTES);
	ip[0] = 0x45;
	ip[1] = IN_TOS;
	tp_wr16(ip + 2, (uint16_t)(IP_BYTES + UDP_BYTES + payload_len));
	tp_wr16(ip + 6, DONT_FRAGMENT);
	ip[8] = hops;
	ip[9] = 17;
	memcpy(ip + 12, &e->source, 4);
	memcpy(ip + 16, &e->destination, 4);
	memcpy(udp, &e->source_port, 2);
	memcpy(udp + 2, &e->destination_port, 2);
	tp_wr16(udp + 4, (uint16_t)(UDP_BYTES + payload_len));
}

static void write_checksums(uint8_t *p, size_t payload_len)
{
	uint8_t *ip = p + ETHER_BYTES;

	tp_wr16(ip + 10, finish(add_bytes(0, ip, IP_BYTES)));
	tp_wr16(ip + IP_BYTES + 6, udp_checksum(ip, UDP_BYTES + payload_len));
}

static void write_payload(uint8_t *p, size_t len, uint64_t number)
{
	for (size_t i = 0; i < len; i += 4)
		tp_wr32(p + i, (uint32_t)(number * 2654435761 + i));
}

static size_t data_bytes(uint32_t flow)
{
	return FRAME_BYTES - HEADERS_BYTES - (world_is_up(flow) ? CHANNEL_BYTES : 0);
}

static void write_channel(uint8_t *p, uint16_t channel, size_t len)
{
	tp_wr16(p, channel);
	tp_wr16(p + 2, (uint16_t)len);
}

void frame_write(struct rte_mbuf *m, const struct frame_plan *plan, uint64_t number)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, FRAME_BYTES);
	struct world_ends e = world_arriving(plan->flow);
	size_t data = data_bytes(plan->flow);

	memcpy(p, &world_port_mac, 6);
	memcpy(p + 6, &world_gateway_mac, 6);
	if (world_is_up(plan->flow))
		write_channel(p + HEADERS_BYTES,
			plan->missing ? MISSING_NUMBER : world_channel(plan->flow), data);
	else if (plan->missing)
		e.source = rte_cpu_to_be_32(0xcb007200 + plan->flow % 256); // nobody's peer
	write_headers(p, &e, FRAME_BYTES - HEADERS_BYTES, IN_HOPS);
	write_payload(p + FRAME_BYTES - data, data, number);
	write_checksums(p, FRAME_BYTES - HEADERS_BYTES);
}

bool frame_is_dropped(const struct frame_plan *plan)
{
	return plan->missing || world_expired(plan->flow);
}

const char *frame_check(const struct rte_mbuf *m, const struct frame_plan *plan, uint64_t number)
{
	const uint8_t *out = rte_pktmbuf_mtod(m, const uint8_t *);
	struct world_ends e = world_leaving(plan->flow);
	size_t data = data_bytes(plan->flow);
	size_t payload = data + (world_is_up(plan->flow) ? 0 : CHANNEL_BYTES);
	uint8_t wanted[FRAME_MAX_BYTES];

	if (m->nb_segs != 1 || m->data_len != m->pkt_len || m->pkt_len != HEADERS_BYTES + payload)
		return "length";
	memcpy(wanted, &world_gateway_mac, 6);
	memcpy(wanted + 6, &world_port_mac, 6);
	write_headers(wanted, &e, payload, IN_HOPS - 1);
	memcpy(wanted + ETHER_BYTES + 4, out + ETHER_BYTES + 4, 2); // IPv4 ID: the relay's choice
	if (!world_is_up(plan->flow))
		write_channel(wanted + HEADERS_BYTES, world_channel(plan->flow), data);
	write_payload(wanted + HEADERS_BYTES + payload - data, data, number);
	write_checksums(wanted, payload);
	if (memcmp(out, wanted, ETHER_BYTES) != 0)
		return "Ethernet header";
	if (memcmp(out + ETHER_BYTES, wanted + ETHER_BYTES, IP_BYTES) != 0)
		return "IP header";
	if (memcmp(out + ETHER_BYTES + IP_BYTES, wanted + ETHER_BYTES + IP_BYTES, UDP_BYTES) != 0)
		return "UDP header";
	if (memcmp(out + HEADERS_BYTES, wanted + HEADERS_BYTES, payload) != 0)
		return "payload";
	return NULL;
}
