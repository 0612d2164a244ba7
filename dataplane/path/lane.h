// SPDX-License-Identifier: BSD-3-Clause
// The lane: the way of the datagrams that nearly all of them are, before any other step. It takes
// ChannelData, Send indications, Binding requests that ask for nothing, and datagrams of peers with a channel or a permission, in one
// untagged segment without IP options, to an untagged next hop that is resolved. Whatever else comes
// it leaves as it was to the general steps, which would do the same with all of them: the lane is an
// optimisation, it decides nothing that they do not (tests/unit/dataplane/path/test_lane.c runs both
// and compares).
//
// Three passes over a burst: read (headers, key), find (flows, permissions), relay. What goes from
// one to the next is packed densely, a key and a quarter of a cache line a datagram.
#pragma once

#include "dataplane/dp.h"
#include "dataplane/table/flow.h"

struct dp_worker;

#define DP_LANE_HEADROOM 64 // what the headers in front can grow at most

// A datagram on the lane, beside its key.
struct dp_lane_packet {
	uint64_t sum;     // over the application data, as the sender's checksum claims it; not folded
	uint16_t payload; // offset of the application data in the frame
	uint16_t length;  // of it, bytes
	uint8_t tos;      // DSCP and ECN as received
	uint8_t hops;     // as received
	uint8_t flags;    // DP_LANE_*
	uint8_t prefix;   // what goes before the data: 0, or 4 of a ChannelData header towards a client
};
static_assert(sizeof(struct dp_lane_packet) == 16);

#define DP_LANE_DF       0x40 // IPv4 Don't Fragment, as in the header
#define DP_LANE_ZERO_SUM 0x01 // its UDP checksum is zero: none

struct dp_lane {
	// By datagram on the lane, in the order of the burst.
	uint32_t n;
	uint8_t at[DP_BURST]; // its place in the burst
	struct dp_flow_key key[DP_BURST];
	struct dp_lane_packet packet[DP_BURST];
	struct dp_flow *flow[DP_BURST];
	uint64_t tag[DP_BURST][2]; // budgets of a Binding request without an allocation

	// Frames that the lane did not touch, a bit each by place in the burst: the general steps'
	// to do, which have them in this order.
	uint32_t left;
	uint8_t left_at[DP_BURST];

	// Those that are complete, in the order of the burst. What is in neither was dropped.
	uint8_t in_port; // index in dp.ports, of all of them
	uint32_t n_out;
	struct rte_mbuf *out[DP_BURST];
	uint8_t out_at[DP_BURST];
	uint8_t out_port[DP_BURST]; // index in dp.ports
};

// Worker. Takes what it can of a burst (at most DP_BURST frames) as far as `out`; what is to be
// dropped by the lane is counted and freed. The caller settles the rest. Returns the TSC at the end.
uint64_t dp_lane_run(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint16_t n, uint64_t now_ns);

// Its passes, in their order; called by dp_lane_run.
void dp_lane_read(const struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint16_t n);
void dp_lane_relay(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint64_t now_ns);
