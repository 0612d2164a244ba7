// SPDX-License-Identifier: BSD-3-Clause
// Internet checksums. A "sum" is the ones' complement sum of 16-bit words as they lie in memory
// (RFC 1071 section 2: byte order does not matter), not complemented, in a uint32_t; every function
// here returns it folded to 16 bits, so tens of thousands may be added before folding again. A
// "checksum" is the complement, as it stands in a header (rte_be16_t of DPDK).
#pragma once

#include "common/base/bytes.h"

static inline uint32_t tp_sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

// Bytes at any alignment whose first one stands at an even offset of what is summed; an odd last
// byte is followed by a zero. `len` below 2^31.
static inline uint32_t tp_sum_bytes(const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t sum = 0;
	uint32_t w32 = 0;
	uint16_t w16 = 0;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t w64;
		memcpy(&w64, at, 8);
		sum += (w64 & 0xffffffff) + (w64 >> 32);
	}
	if (len & 4) {
		memcpy(&w32, at, 4);
		sum += w32;
		at += 4;
	}
	if (len & 2) {
		memcpy(&w16, at, 2);
		sum += w16;
		at += 2;
	}
	if (len & 1) {
		w16 = 0;
		memcpy(&w16, at, 1);
		sum += w16;
	}
	return tp_sum_fold(sum);
}

// Moves a sum to where its first byte stands at `offset`: at an odd one all bytes change places.
static inline uint32_t tp_sum_at(uint32_t sum, size_t offset)
{
	sum = tp_sum_fold(sum);
	return offset & 1 ? (sum << 8 & 0xff00) | sum >> 8 : sum;
}

// A 16-bit number in host order as a term (a length, a port).
static inline uint32_t tp_sum_word(uint16_t host)
{
	return htobe16(host);
}

// Pseudo headers, RFC 768 and RFC 8200 section 8.1; `length` is the UDP length. Addresses are 4 or
// 16 bytes as in the packet.
static inline uint32_t tp_sum_pseudo4(
	const uint8_t *src, const uint8_t *dst, uint8_t protocol, uint16_t length)
{
	return tp_sum_fold((uint64_t)tp_sum_bytes(src, 4) + tp_sum_bytes(dst, 4) +
			   tp_sum_word(protocol) + tp_sum_word(length));
}

static inline uint32_t tp_sum_pseudo6(
	const uint8_t *src, const uint8_t *dst, uint8_t protocol, uint16_t length)
{
	return tp_sum_fold((uint64_t)tp_sum_bytes(src, 16) + tp_sum_bytes(dst, 16) +
			   tp_sum_word(protocol) + tp_sum_word(length));
}

// What to write into a header (IPv4, ICMP) whose checksum field was summed as zero. Summed with the
// checksum in place, a whole header gives 0.
static inline uint16_t tp_checksum(uint64_t sum)
{
	return (uint16_t)~tp_sum_fold(sum);
}

// The same for UDP, where zero means "none" and is written as 0xffff (RFC 768).
static inline uint16_t tp_checksum_udp(uint64_t sum)
{
	uint16_t checksum = tp_checksum(sum);
	return checksum == 0 ? 0xffff : checksum;
}
