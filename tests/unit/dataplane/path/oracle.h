// SPDX-License-Identifier: BSD-3-Clause
// An independent view of frames for the tests of the packet path: builds and takes them apart byte
// by byte, with a checksum written down from RFC 1071 and nothing shared with the product.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/addr.h"

#define ORACLE_MOST 70000

struct frame {
	uint8_t dst_mac[6], src_mac[6];
	int vlan; // -1: untagged
	struct tp_addr from, to;
	uint8_t tos, ttl;
	bool df;
	bool zero_checksum;
	uint16_t damage; // xor on the UDP checksum as built; when read: nonzero when it is wrong
	uint16_t ip_id;
	// Fragment: offset in bytes, more to come; the payload is then raw IP payload.
	bool fragment;
	uint32_t offset;
	bool more;
	uint32_t id;
	uint8_t protocol; // 0: UDP
	const uint8_t *payload;
	size_t length;
	bool ip_bad; // read: IP header checksum or length wrong
};

static inline uint32_t oracle_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static inline void oracle_put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline unsigned int oracle_get16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

// Sum of pseudo header and datagram as it stands.
static inline uint32_t oracle_l4_sum(const struct tp_ip *from, const struct tp_ip *to,
	uint8_t protocol, const uint8_t *l4, size_t length)
{
	uint8_t tail[4] = {0, protocol, (uint8_t)(length >> 8), (uint8_t)length};
	uint32_t sum = oracle_sum(0, from->bytes, tp_ip_length(from));
	sum = oracle_sum(sum, to->bytes, tp_ip_length(to));
	sum = oracle_sum(sum, tail, 4);
	return oracle_sum(sum, l4, length);
}

// UDP header and payload; returns its length.
static inline size_t oracle_udp(const struct frame *f, uint8_t *out)
{
	size_t length = 8 + f->length;

	oracle_put16(out, f->from.port);
	oracle_put16(out + 2, f->to.port);
	oracle_put16(out + 4, (unsigned int)length);
	oracle_put16(out + 6, 0);
	if (f->length != 0)
		memcpy(out + 8, f->payload, f->length);
	if (!f->zero_checksum) {
		uint32_t sum = ~oracle_l4_sum(&f->from.ip, &f->to.ip, 17, out, length) & 0xffff;
		oracle_put16(out + 6, (sum == 0 ? 0xffff : sum) ^ f->damage);
	}
	return length;
}

static inline size_t oracle_ether(const struct frame *f, uint8_t *out, unsigned int type)
{
	memcpy(out, f->dst_mac, 6);
	memcpy(out + 6, f->src_mac, 6);
	if (f->vlan < 0) {
		oracle_put16(out + 12, type);
		return 14;
	}
	oracle_put16(out + 12, 0x8100);
	oracle_put16(out + 14, (unsigned int)f->vlan);
	oracle_put16(out + 16, type);
	return 18;
}

// Puts Ethernet and IP in front of `l4`; returns the length of the frame.
static inline size_t oracle_ip(
	const struct frame *f, uint8_t *out, const uint8_t *l4, size_t length)
{
	uint8_t protocol = f->protocol ? f->protocol : 17;
	bool ipv4 = f->from.ip.family == TP_FAMILY_IPV4;
	size_t at = oracle_ether(f, out, ipv4 ? 0x0800 : 0x86dd);
	uint8_t *ip = out + at;

	if (ipv4) {
		memset(ip, 0, 20);
		ip[0] = 0x45;
		ip[1] = f->tos;
		oracle_put16(ip + 2, (unsigned int)(20 + length));
		oracle_put16(ip + 4, f->fragment ? f->id & 0xffff : f->ip_id);
		oracle_put16(
			ip + 6, (f->df ? 0x4000u : 0) | (f->more ? 0x2000u : 0) | f->offset / 8);
		ip[8] = f->ttl;
		ip[9] = protocol;
		memcpy(ip + 12, f->from.ip.bytes, 4);
		memcpy(ip + 16, f->to.ip.bytes, 4);
		oracle_put16(ip + 10, ~oracle_sum(0, ip, 20) & 0xffff);
		memcpy(ip + 20, l4, length);
		return at + 20 + length;
	}
	size_t extra = f->fragment ? 8 : 0;
	memset(ip, 0, 40 + extra);
	ip[0] = (uint8_t)(0x60 | f->tos >> 4);
	ip[1] = (uint8_t)(f->tos << 4);
	oracle_put16(ip + 4, (unsigned int)(extra + length));
	ip[6] = f->fragment ? 44 : protocol;
	ip[7] = f->ttl;
	memcpy(ip + 8, f->from.ip.bytes, 16);
	memcpy(ip + 24, f->to.ip.bytes, 16);
	if (f->fragment) {
		ip[40] = protocol;
		oracle_put16(ip + 42, f->offset | f->more);
		oracle_put16(ip + 44, f->id >> 16);
		oracle_put16(ip + 46, f->id & 0xffff);
	}
	memcpy(ip + 40 + extra, l4, length);
	return at + 40 + extra + length;
}

// A whole UDP frame.
static inline size_t oracle_build(const struct frame *f, uint8_t *out)
{
	static uint8_t udp[ORACLE_MOST];
	return oracle_ip(f, out, udp, oracle_udp(f, udp));
}

static inline bool oracle_read_udp(struct frame *f, const uint8_t *l4, size_t length)
{
	if (length < 8 || oracle_get16(l4 + 4) != length)
		return false;
	f->from.port = (uint16_t)oracle_get16(l4);
	f->to.port = (uint16_t)oracle_get16(l4 + 2);
	f->zero_checksum = oracle_get16(l4 + 6) == 0;
	f->payload = l4 + 8;
	f->length = length - 8;
	f->damage = f->zero_checksum
			    ? 0
			    : (uint16_t)~oracle_l4_sum(&f->from.ip, &f->to.ip, 17, l4, length);
	return true;
}

// Takes a frame apart; false when it is no well-formed IP packet of exactly this length. The
// payload of a fragment, or of another protocol than UDP, is the raw IP payload.
static inline bool oracle_read(const uint8_t *in, size_t length, struct frame *f)
{
	*f = (struct frame){.vlan = -1};
	memcpy(f->dst_mac, in, 6);
	memcpy(f->src_mac, in + 6, 6);
	unsigned int type = oracle_get16(in + 12);
	size_t at = 14;
	if (type == 0x8100) {
		f->vlan = (int)oracle_get16(in + 14);
		type = oracle_get16(in + 16);
		at = 18;
	}
	const uint8_t *ip = in + at;
	const uint8_t *l4 = ip + 20;
	if (type == 0x0800) {
		f->from.ip.family = f->to.ip.family = TP_FAMILY_IPV4;
		memcpy(f->from.ip.bytes, ip + 12, 4);
		memcpy(f->to.ip.bytes, ip + 16, 4);
		f->tos = ip[1];
		f->ttl = ip[8];
		f->protocol = ip[9];
		f->id = oracle_get16(ip + 4);
		unsigned int word = oracle_get16(ip + 6);
		f->df = (word & 0x4000) != 0;
		f->more = (word & 0x2000) != 0;
		f->offset = (word & 0x1fff) * 8;
		f->fragment = f->more || f->offset != 0;
		if (ip[0] != 0x45 || oracle_sum(0, ip, 20) != 0xffff ||
			oracle_get16(ip + 2) != length - at)
			return false;
	} else if (type == 0x86dd) {
		f->from.ip.family = f->to.ip.family = TP_FAMILY_IPV6;
		memcpy(f->from.ip.bytes, ip + 8, 16);
		memcpy(f->to.ip.bytes, ip + 24, 16);
		f->tos = (uint8_t)(ip[0] << 4 | ip[1] >> 4);
		f->ttl = ip[7];
		f->protocol = ip[6];
		l4 = ip + 40;
		if (ip[0] >> 4 != 6 || oracle_get16(ip + 4) != length - at - 40)
			return false;
		if (f->protocol == 44) {
			f->fragment = true;
			f->protocol = l4[0];
			f->offset = oracle_get16(l4 + 2) & 0xfff8;
			f->more = l4[3] & 1;
			f->id = oracle_get16(l4 + 4) << 16 | oracle_get16(l4 + 6);
			l4 += 8;
		}
	} else {
		return false;
	}
	size_t left = length - (size_t)(l4 - in);
	if (f->fragment || f->protocol != 17) {
		f->payload = l4;
		f->length = left;
		return true;
	}
	return oracle_read_udp(f, l4, left);
}
