// SPDX-License-Identifier: BSD-3-Clause
// The lane: the way of the datagrams that nearly all of them are, before any other step. It takes
// ChannelData, Send indications, Binding requests that ask for nothing, and datagrams of peers with a channel or a permission, in one
// untagged segment without IP options, to an untagged next hop that is resolved. Whatever else comes
// it leaves as it was to the general steps, which would do the same with all of them: the lane is an
// optimisation, it decides nothing that they do not (tests/unit/dataplane/path/test_lane.c runs both
// and compares).
//
// Passes over a burst: read (headers, key; buckets of the flow table), find (flows, permissions),
// relay. What goes from one to the next is packed densely.
#pragma once

#include "dataplane/dp.h"
#include "dataplane/table/flow.h"

struct dp_worker;

#define DP_LANE_HEADROOM 64 // what the headers in front can grow at most

// A datagram on the lane, beside its key.
struct dp_lane_packet {
	uint64_t sum; // indications: over the application data, as the sender's checksum claims
		      // it; not folded
	union {
		struct {
			uint16_t payload; // offset of the application data in the frame
			uint16_t length;  // of it, bytes
			uint8_t prefix;   // what goes before the data: 0, or 4 of a ChannelData
					  // header towards a client
			uint8_t padding;  // bytes behind the data of ChannelData, at most 3
			uint8_t flags;    // DP_LANE_*
			uint8_t family;   // it came over
		};
		uint64_t word;
	};
};
static_assert(sizeof(struct dp_lane_packet) == 16);

#define DP_LANE_DF 0x40 // IPv4 Don't Fragment, beside what the header says, and where it is there

struct dp_lane {
	// By datagram on the lane, in the order of the burst.
	uint32_t n;
	uint8_t at[DP_BURST]; // its place in the burst
	alignas(RTE_CACHE_LINE_SIZE) struct dp_flow_key key[DP_BURST];
	struct dp_lane_packet packet[DP_BURST];
	uint64_t hash[DP_BURST];  // of the key
	uint32_t index[DP_BURST]; // the flow that the bucket names first
	struct dp_flow *flow[DP_BURST];
	bool more; // some of these may be more than ChannelData of a flow (lane_indication.h)
	uint64_t tag[DP_BURST][2]; // budgets of a Binding request without an allocation

	// Frames that the lane did not touch, a bit each by place in the burst: the general steps'
	// to do, which have them in this order.
	uint32_t left;
	uint8_t left_at[DP_BURST];

	// Complete ones behind such a frame, in the order of the burst; those before it are in
	// transmit buffers already. What is in none of these was dropped.
	uint8_t in_port; // index in dp.ports, of the whole burst
	uint32_t n_out;
	struct rte_mbuf *out[DP_BURST];
	uint8_t out_at[DP_BURST];
	uint8_t out_port[DP_BURST]; // index in dp.ports
};

// Worker. Takes what it can of a burst (at most DP_BURST frames) to the transmit buffers, or as far
// as `out`; what is to be dropped by the lane is counted and freed. The caller settles the rest.
// Returns the TSC at the end.
uint64_t dp_lane_run(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint16_t n, uint64_t now_ns);

// Its passes, in their order; called by dp_lane_run.
void dp_lane_read(
	struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[], uint16_t n);
void dp_lane_find(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint64_t now_ns);
void dp_lane_relay(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint64_t now_ns);
