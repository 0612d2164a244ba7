// SPDX-License-Identifier: BSD-3-Clause
// Checksums on the lane: words are loaded as they stand and added in 64 bits, what is to be taken
// off is subtracted from a multiple of 0xffff, and one fold ends it (common/wire/csum.h has the
// words).
#pragma once

#include <endian.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "common/base/addr.h"
#include "common/base/bytes.h"
#include "common/wire/ipudp.h"

static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "header words are put together in registers");

// Zero in ones' complement, and more than any sum of headers.
#define DP_LANE_ZERO (UINT64_C(0xffff) << 24)

// Of IPv4 headers, as a little-endian load sees them: version and length, and the protocol.
#define DP_LANE_IPV4_HEAD 0x45
#define DP_LANE_UDP_WORD  (IPPROTO_UDP << 8)

static inline uint32_t dp_lane_swap16(uint32_t word)
{
	return __builtin_bswap16((uint16_t)word);
}

static inline uint32_t dp_load32(const uint8_t *at)
{
	uint32_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint64_t dp_load64(const uint8_t *at)
{
	uint64_t word;
	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void dp_store32(uint8_t *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline void dp_store64(uint8_t *at, uint64_t word)
{
	memcpy(at, &word, sizeof(word));
}

// To 16 bits, which are the high half of what is returned; the low half means nothing. A sum and
// itself turned by half, added: the carry out of the low half goes where the end-around carry
// belongs, so the high half is the folded sum.
static inline uint32_t dp_lane_fold32_high(uint32_t sum)
{
	return sum + (sum << 16 | sum >> 16);
}

static inline uint32_t dp_lane_fold_high(uint64_t sum)
{
	sum += sum << 32 | sum >> 32;
	return dp_lane_fold32_high((uint32_t)(sum >> 32));
}

static inline uint16_t dp_lane_fold(uint64_t sum)
{
	return (uint16_t)(dp_lane_fold_high(sum) >> 16);
}

static inline uint64_t dp_lane_sum_ipv6(const uint8_t *ip)
{
	return (uint64_t)dp_load32(ip) + dp_load32(ip + 4) + dp_load32(ip + 8) + dp_load32(ip + 12);
}

// Over the payload of UDP, as the checksum before it claims: of an untagged frame whose IP header
// has no options.
static inline uint64_t dp_lane_sum_udp(const uint8_t *frame, const uint8_t *payload, uint8_t family)
{
	const uint8_t *ip = frame + TP_ETHER_BYTES;
	uint32_t udp = dp_load32(payload - 4);
	uint64_t sum = family == TP_FAMILY_IPV4
			       ? (uint64_t)dp_load32(ip + 12) + dp_load32(ip + 16)
			       : dp_lane_sum_ipv6(ip + 8) + dp_lane_sum_ipv6(ip + 24);

	return DP_LANE_ZERO + (udp >> 16 ^ 0xffff) - sum - dp_load32(payload - TP_UDP_BYTES) -
	       2 * (uint64_t)(uint16_t)udp - DP_LANE_UDP_WORD;
}
