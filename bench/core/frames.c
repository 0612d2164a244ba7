// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>

#include "bench/core/frames.h"
#include "common/base/bytes.h"

#define ETHER_BYTES    14
#define UDP_BYTES      8
#define CHANNEL_BYTES  4
#define STUN_BYTES     36 // header, XOR-PEER-ADDRESS of IPv4, header of DATA
#define IN_TOS         0xb8
#define IN_HOPS        64
#define DONT_FRAGMENT  0x4000
#define MISSING_NUMBER 0x4fff
#define MISSING_IP     0xcb007200 // nobody's peer
#define COOKIE         0x2112a442

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

static size_t ip_bytes(const struct world_ends *e)
{
	return e->source.ip.family == TP_FAMILY_IPV6 ? 40 : 20;
}

// Checksum over pseudo header, UDP header (its checksum field as it stands) and payload.
static uint16_t udp_checksum(const struct world_ends *e, const uint8_t *udp, size_t len)
{
	uint32_t sum = 17 + (uint32_t)len;

	sum = add_bytes(sum, e->source.ip.bytes, 16); // behind IPv4 there are zeros
	sum = add_bytes(sum, e->destination.ip.bytes, 16);
	uint16_t checksum = finish(add_bytes(sum, udp, len));
	return checksum == 0 ? 0xffff : checksum;
}

static void write_ipv4(uint8_t *ip, const struct world_ends *e, size_t len, uint8_t hops)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = IN_TOS;
	tp_wr16(ip + 2, (uint16_t)(20 + len));
	tp_wr16(ip + 6, DONT_FRAGMENT);
	ip[8] = hops;
	ip[9] = 17;
	memcpy(ip + 12, e->source.ip.bytes, 4);
	memcpy(ip + 16, e->destination.ip.bytes, 4);
}

static void write_ipv6(uint8_t *ip, const struct world_ends *e, size_t len, uint8_t hops)
{
	tp_wr32(ip, UINT32_C(6) << 28 | IN_TOS << 20);
	tp_wr16(ip + 4, (uint16_t)len);
	ip[6] = 17;
	ip[7] = hops;
	memcpy(ip + 8, e->source.ip.bytes, 16);
	memcpy(ip + 24, e->destination.ip.bytes, 16);
}

// All but the Ethernet addresses and the checksums; returns the UDP payload.
static uint8_t *write_headers(
	uint8_t *p, const struct world_ends *e, size_t payload_len, uint8_t hops)
{
	uint8_t *ip = p + ETHER_BYTES, *udp = ip + ip_bytes(e);
	bool ipv4 = ip_bytes(e) == 20;

	tp_wr16(p + 12, ipv4 ? 0x0800 : 0x86dd);
	(ipv4 ? write_ipv4 : write_ipv6)(ip, e, UDP_BYTES + payload_len, hops);
	tp_wr16(udp, e->source.port);
	tp_wr16(udp + 2, e->destination.port);
	tp_wr16(udp + 4, (uint16_t)(UDP_BYTES + payload_len));
	tp_wr16(udp + 6, 0);
	return udp + UDP_BYTES;
}

static void write_checksums(uint8_t *p, const struct world_ends *e, size_t payload_len)
{
	uint8_t *ip = p + ETHER_BYTES, *udp = ip + ip_bytes(e);

	if (ip_bytes(e) == 20)
		tp_wr16(ip + 10, finish(add_bytes(0, ip, 20)));
	tp_wr16(udp + 6, udp_checksum(e, udp, UDP_BYTES + payload_len));
}

static void write_data(uint8_t *p, size_t len, uint64_t number)
{
	for (size_t i = 0; i < len; i += 4)
		tp_wr32(p + i, (uint32_t)(number * 2654435761 + i));
}

// Between the UDP header and the data, of a packet of a client or to one.
static size_t prefix_bytes(const struct world *w)
{
	return w->kind == WORLD_INDICATION ? STUN_BYTES : CHANNEL_BYTES;
}

static size_t data_bytes(const struct world *w, uint32_t flow)
{
	return FRAME_PAYLOAD -
	       (world_is_up(flow) && w->kind != WORLD_INDICATION ? CHANNEL_BYTES : 0);
}

static void write_indication(
	uint8_t *p, uint16_t type, const uint8_t id[12], const struct tp_addr *peer, size_t len)
{
	tp_wr16(p, type);
	tp_wr16(p + 2, (uint16_t)(STUN_BYTES - 20 + len));
	tp_wr32(p + 4, COOKIE);
	memcpy(p + 8, id, 12);
	tp_wr32(p + 20, 0x00120008); // XOR-PEER-ADDRESS
	tp_wr16(p + 24, 1);
	tp_wr16(p + 26, peer->port ^ COOKIE >> 16);
	tp_wr32(p + 28, tp_rd32(peer->ip.bytes) ^ COOKIE);
	tp_wr16(p + 32, 0x0013); // DATA
	tp_wr16(p + 34, (uint16_t)len);
}

static void write_prefix(const struct world *w, uint8_t *p, uint16_t type, const uint8_t id[12],
	const struct tp_addr *peer, uint16_t channel, size_t len)
{
	if (w->kind == WORLD_INDICATION) {
		write_indication(p, type, id, peer, len);
		return;
	}
	tp_wr16(p, channel);
	tp_wr16(p + 2, (uint16_t)len);
}

void frame_write(const struct world *w, struct rte_mbuf *m, const struct frame_plan *plan,
	uint64_t number)
{
	struct world_ends e = world_arriving(w, plan->flow);
	struct tp_addr peer = world_peer(w, plan->flow);
	bool up = world_is_up(plan->flow);
	size_t data = data_bytes(w, plan->flow), payload = data + (up ? prefix_bytes(w) : 0);
	size_t bytes = ETHER_BYTES + ip_bytes(&e) + UDP_BYTES + payload;
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)bytes);
	struct tp_ip missing = tp_ip4(MISSING_IP + plan->flow % 256);

	if (plan->missing && up)
		memcpy(peer.ip.bytes, missing.bytes, 4);
	else if (plan->missing) // the end of an IPv6 address, all of an IPv4 one
		memcpy(e.source.ip.bytes + (ip_bytes(&e) == 40 ? 12 : 0), missing.bytes, 4);
	memcpy(p, &world_port_mac, 6);
	memcpy(p + 6, &world_gateway_mac, 6);
	uint8_t *at = write_headers(p, &e, payload, IN_HOPS);
	if (up)
		write_prefix(w, at, 0x0016, (const uint8_t *)"bench-core..", &peer,
			plan->missing ? MISSING_NUMBER : world_channel(plan->flow), data);
	write_data(at + payload - data, data, number);
	write_checksums(p, &e, payload);
}

void frame_write_message(
	struct rte_mbuf *m, const struct world_ends *e, const uint8_t *message, size_t len)
{
	size_t bytes = ETHER_BYTES + ip_bytes(e) + UDP_BYTES + len;
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)bytes);

	memcpy(p, &world_port_mac, 6);
	memcpy(p + 6, &world_gateway_mac, 6);
	memcpy(write_headers(p, e, len, IN_HOPS), message, len);
	write_checksums(p, e, len);
}

bool frame_is_dropped(const struct frame_plan *plan)
{
	return plan->missing || world_expired(plan->flow);
}

const char *frame_check(const struct world *w, const struct rte_mbuf *m,
	const struct frame_plan *plan, uint64_t number)
{
	const uint8_t *out = rte_pktmbuf_mtod(m, const uint8_t *);
	struct world_ends e = world_leaving(w, plan->flow);
	struct tp_addr peer = world_peer(w, plan->flow);
	bool down = !world_is_up(plan->flow);
	size_t data = data_bytes(w, plan->flow), payload = data + (down ? prefix_bytes(w) : 0);
	size_t ip = ip_bytes(&e), headers = ETHER_BYTES + ip + UDP_BYTES;
	uint8_t wanted[FRAME_MAX_BYTES];

	if (m->nb_segs != 1 || m->data_len != m->pkt_len || m->pkt_len != headers + payload)
		return "length";
	memcpy(wanted, &world_gateway_mac, 6);
	memcpy(wanted + 6, &world_port_mac, 6);
	uint8_t *at = write_headers(wanted, &e, payload, IN_HOPS - 1);
	if (ip == 20)
		memcpy(wanted + ETHER_BYTES + 4, out + ETHER_BYTES + 4, 2); // ID: the relay's choice
	if (down) // and so is a transaction ID
		write_prefix(w, at, 0x0017, out + headers + 8, &peer, world_channel(plan->flow),
			data);
	write_data(at + payload - data, data, number);
	write_checksums(wanted, &e, payload);
	if (memcmp(out, wanted, ETHER_BYTES) != 0)
		return "Ethernet header";
	if (memcmp(out + ETHER_BYTES, wanted + ETHER_BYTES, ip) != 0)
		return "IP header";
	if (memcmp(out + ETHER_BYTES + ip, wanted + ETHER_BYTES + ip, UDP_BYTES) != 0)
		return "UDP header";
	if (memcmp(out + headers, wanted + headers, payload) != 0)
		return "payload";
	return NULL;
}
