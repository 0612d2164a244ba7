// SPDX-License-Identifier: BSD-3-Clause
// Binding requests on the lane: those that nearly all are, without an attribute but FINGERPRINT.
// Only lane*.c includes this.
#pragma once

#include "common/wire/stun.h"
#include "dataplane/path/lane_indication.h"
#include "dataplane/path/lane_write.h"

// More of dp_lane_packet.flags: `length` is all of the request, the key its allocation's.
#define DP_LANE_BINDING 0x10

#define DP_LANE_STUN (DP_LANE_SEND | DP_LANE_DATA | DP_LANE_BACK | DP_LANE_BINDING)

#define DP_LANE_FINGERPRINT_BYTES 8

// Whether a payload of `length` bytes is such a request, its FINGERPRINT not looked at yet.
static inline bool dp_lane_is_binding(const uint8_t *bytes, uint32_t length)
{
	uint32_t attributes = length - STUN_HEADER_BYTES;

	if (dp_load32(bytes) != (htobe32(STUN_BINDING << 16 | attributes)) ||
		(attributes != 0 && attributes != DP_LANE_FINGERPRINT_BYTES))
		return false;
	return tp_rd32(bytes + 4) == STUN_MAGIC_COOKIE &&
	       (attributes == 0 || tp_rd32(bytes + STUN_HEADER_BYTES) ==
					   ((uint32_t)STUN_ATTR_FINGERPRINT << 16 | 4));
}

// After find: has what the last pass wants of budgets fetched.
void dp_lane_fetch_budget(struct dp_worker *w, struct dp_lane *lane, uint32_t k);

// The last pass: the answer in its place (RFC 8489 section 7.3.1).
enum dp_lane_fate dp_lane_answer(struct dp_worker *w, struct dp_lane_burst *b, struct dp_lane *lane,
	uint32_t k, struct rte_mbuf *m);
