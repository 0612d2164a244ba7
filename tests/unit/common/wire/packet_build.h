// SPDX-License-Identifier: BSD-3-Clause
// Builds Ethernet frames byte by byte, apart from the code under test, checksums with the slow
// oracle below.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct packet_build {
	uint8_t bytes[4096];
	size_t length;
	size_t l3;       // where the IP header starts
	size_t protocol; // where the byte with the next protocol is
	size_t l4;       // where UDP or ICMP starts
	bool v6;
};

// Byte by byte, big-endian, carry by carry: what RFC 1071 says in words.
static inline uint16_t oracle_sum(uint16_t start, const uint8_t *p, size_t len)
{
	uint32_t sum = start;

	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

static inline void pb_put(struct packet_build *b, const void *data, size_t n)
{
	memcpy(b->bytes + b->length, data, n);
	b->length += n;
}

static inline void pb_u16(struct packet_build *b, size_t at, unsigned int v)
{
	b->bytes[at] = (uint8_t)(v >> 8);
	b->bytes[at + 1] = (uint8_t)v;
}

static inline void pb_ethernet(struct packet_build *b, int vlan_tci)
{
	static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

	memset(b, 0, sizeof(*b));
	pb_put(b, macs, 12);
	if (vlan_tci >= 0) {
		pb_u16(b, 12, 0x8100);
		pb_u16(b, 14, (unsigned int)vlan_tci);
		b->length += 4;
	}
	b->length += 2; // Ethertype: the IP header's
}

// 198.18.0.1 -> 198.18.0.2, `options` bytes of no-operation, a multiple of 4.
static inline void pb_ipv4(struct packet_build *b, uint8_t protocol, size_t options)
{
	static const uint8_t addresses[8] = {198, 18, 0, 1, 198, 18, 0, 2};

	pb_u16(b, b->length - 2, 0x0800);
	b->l3 = b->length;
	b->bytes[b->l3] = (uint8_t)(0x45 + options / 4);
	b->bytes[b->l3 + 1] = 0xb9; // DSCP 46, ECN 1
	pb_u16(b, b->l3 + 4, 0x1234);
	pb_u16(b, b->l3 + 6, 0x4000);
	b->bytes[b->l3 + 8] = 61;
	b->bytes[b->l3 + 9] = protocol;
	b->protocol = b->l3 + 9;
	b->length += 12;
	pb_put(b, addresses, 8);
	memset(b->bytes + b->length, 1, options);
	b->length += options;
	b->l4 = b->length;
}

// fd00:198:18::1 -> fd00:198:18::2.
static inline void pb_ipv6(struct packet_build *b, uint8_t protocol)
{
	static const uint8_t prefix[6] = {0xfd, 0, 0x01, 0x98, 0, 0x18};

	b->v6 = true;
	pb_u16(b, b->length - 2, 0x86dd);
	b->l3 = b->length;
	pb_u16(b, b->l3, 0x6b90); // traffic class 0xb9
	b->bytes[b->l3 + 6] = protocol;
	b->protocol = b->l3 + 6;
	b->bytes[b->l3 + 7] = 61;
	memcpy(b->bytes + b->l3 + 8, prefix, 6);
	b->bytes[b->l3 + 23] = 1;
	memcpy(b->bytes + b->l3 + 24, prefix, 6);
	b->bytes[b->l3 + 39] = 2;
	b->length += 40;
	b->l4 = b->length;
}

// An extension header of `bytes` (8 at least, a multiple of 8) in front of what comes next.
static inline size_t pb_extension(struct packet_build *b, uint8_t type, size_t bytes)
{
	size_t at = b->length;

	b->bytes[at] = b->bytes[b->protocol];
	b->bytes[b->protocol] = type;
	b->protocol = at;
	b->bytes[at + 1] = type == 44 ? 0 : (uint8_t)(bytes / 8 - 1);
	b->length += bytes;
	b->l4 = b->length;
	return at;
}

// Port 5000 to 3478 and a payload of 0, 1, 2, ...
static inline void pb_udp(struct packet_build *b, size_t payload)
{
	pb_u16(b, b->length, 5000);
	pb_u16(b, b->length + 2, 3478);
	pb_u16(b, b->length + 4, (unsigned int)(8 + payload));
	for (size_t i = 0; i < payload; i++)
		b->bytes[b->length + 8 + i] = (uint8_t)i;
	b->length += 8 + payload;
}

// Sets IP length and checksums of all that was put so far; `checksum_at` is the offset of the L4
// checksum, 0: none to set.
static inline void pb_finish(struct packet_build *b, size_t checksum_at)
{
	size_t total = b->length - b->l3, l4_length = b->length - b->l4;
	uint8_t protocol = b->bytes[b->protocol];
	uint16_t sum = 0;

	pb_u16(b, b->l3 + (b->v6 ? 4 : 2), (unsigned int)(b->v6 ? total - 40 : total));
	if (!b->v6) {
		pb_u16(b, b->l3 + 10, 0);
		pb_u16(b, b->l3 + 10,
			0xffffu ^ oracle_sum(0, b->bytes + b->l3, (b->bytes[b->l3] & 15) * 4u));
	}
	if (checksum_at == 0)
		return;
	if (b->v6 || protocol == 17) {
		uint8_t tail[4] = {0, protocol, (uint8_t)(l4_length >> 8), (uint8_t)l4_length};
		sum = oracle_sum(0, b->bytes + b->l3 + (b->v6 ? 8 : 12), b->v6 ? 32 : 8);
		sum = oracle_sum(sum, tail, 4);
	}
	pb_u16(b, checksum_at, 0);
	sum = 0xffff ^ oracle_sum(sum, b->bytes + b->l4, l4_length);
	pb_u16(b, checksum_at, sum == 0 ? 0xffff : sum);
}
