// SPDX-License-Identifier: BSD-3-Clause
// The IPv4 header of a frame that is made here: UDP, Don't Fragment, no options.
#pragma once

#include <string.h>

#include "common/base/bytes.h"
#include "common/wire/ipudp.h"

#define BENCH_HOP_LIMIT     64
#define BENCH_DONT_FRAGMENT 0x4000

// `length`: of the whole IP packet, bytes.
static inline void bench_write_ipv4(
	uint8_t *at, const struct tp_ip *from, const struct tp_ip *to, uint16_t length)
{
	uint16_t checksum;

	tp_wr32(at, UINT32_C(0x45000000) | length);
	tp_wr32(at + 4, BENCH_DONT_FRAGMENT);
	at[8] = BENCH_HOP_LIMIT;
	at[9] = TP_PROTO_UDP;
	memset(at + 10, 0, 2);
	memcpy(at + 12, from->bytes, 4);
	memcpy(at + 16, to->bytes, 4);
	checksum = tp_checksum(tp_sum_bytes(at, TP_IPV4_BYTES));
	memcpy(at + 10, &checksum, sizeof(checksum));
}
