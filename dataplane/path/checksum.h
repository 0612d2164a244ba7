// SPDX-License-Identifier: BSD-3-Clause
// Internet checksums (RFC 1071, RFC 1624) over 16-bit words in memory order, whatever the host's
// byte order: sums are loaded and stored as they stand.
//
// The sender's UDP checksum is taken apart once: sum(payload) = ~checksum - sum(pseudo header and
// UDP header). What is cut off the payload is subtracted, what is put before it is added, and the
// new headers close it again. No byte of the data that passes is read, so damage done before the
// relay stays visible to the receiver.
#pragma once

#include <rte_ip.h>

#include "common/base/addr.h"
#include "common/wire/csum.h"

static inline uint64_t dp_sum4(const void *p)
{
	uint32_t word;
	memcpy(&word, p, sizeof(word));
	return word;
}

// Both are small multiples of four: addresses, headers.
static inline uint64_t dp_sum_words(const void *p, uint32_t bytes)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < bytes; i += 4)
		sum += dp_sum4((const uint8_t *)p + i);
	return sum;
}

static inline uint64_t dp_sum_address(uint8_t family, const uint8_t *ip)
{
	if (family == TP_FAMILY_IPV4)
		return dp_sum4(ip);
	return dp_sum4(ip) + dp_sum4(ip + 4) + dp_sum4(ip + 8) + dp_sum4(ip + 12);
}

// `sum` minus `part` in ones' complement.
static inline uint32_t dp_sum_subtract(uint32_t sum, uint64_t part)
{
	return tp_sum_fold((uint64_t)sum + (uint16_t)~tp_sum_fold(part));
}

// `length` bytes of an mbuf chain from `offset`, which the caller knows to be there. Out of line:
// no datagram that needs nothing special comes here.
uint32_t dp_sum_mbuf(const struct rte_mbuf *m, uint32_t offset, uint32_t length);
