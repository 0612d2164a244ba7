// SPDX-License-Identifier: BSD-3-Clause
// What a worker owns. Private to path/; everything else uses worker.h and pipeline.h.
#pragma once

#include "common/abi/stream.h"
#include "dataplane/path/budget.h"
#include "dataplane/path/lane.h"
#include "dataplane/path/moves.h"
#include "dataplane/path/packet.h"
#include "dataplane/path/police.h"
#include "dataplane/path/worker.h"

#define DP_TX_BUFFER         256 // frames for one port that wait for the end of the burst
#define DP_HANDOFF_SLOTS     1024
#define DP_NO_QUEUE          UINT16_MAX
#define DP_IDLE_POLLS        512 // empty polls before a worker blocks (idle: backoff)
#define DP_ICMP_KBYTES_PER_S 64  // budgets of relayed and of own ICMP errors, by bytes sent
#define DP_ALLOC_REQUESTS    500 // a second, of one allocation; as many again with our nonce
#define DP_SCRATCH_BYTES     65536
#define DP_MADE_HOP_LIMIT    64 // of packets made here
#define DP_UNTAGGED          0xffff

// The way out of one port. A port without queues (unit tests, benchmarks) only collects.
struct dp_tx {
	uint16_t port_id; // DPDK's
	uint16_t queue;   // ours, or DP_NO_QUEUE: `owner` sends for us
	uint16_t owner;
	uint16_t n;
	uint16_t mtu;
	bool collect;
	bool multi_segs;
	struct rte_ether_addr mac;
	struct rte_mbuf *frame[DP_TX_BUFFER];
};

struct dp_rx_queue {
	uint16_t port; // index in dp.ports
	uint16_t queue;
};

// A datagram that reassembly completed, on its way back to the start of the pipeline.
struct dp_whole {
	struct rte_mbuf *m;
	uint32_t frames;
};

struct dp_dtls;       // dtls.h
struct dp_reassembly; // reassemble.c

struct dp_worker {
	struct dp *dp;
	const struct dp_locals *locals;
	struct dp_flow_table *flows;
	uint16_t index;
	uint16_t n_rx;
	int socket;
	uint8_t hop_limit;         // 0: decrement
	uint8_t tos_keep, tos_set; // DSCP policy: bits that stay, bits that are set
	uint16_t channel_max;      // highest channel number, common/wire/chandata.h
	bool classic;              // Binding requests of RFC 3489 go to control
	uint16_t ipv4_id;
	bool keep_ipv4_id;            // forwarding.ip_id
	const char *server_name;      // of challenges; NULL: no third-party authorization
	uint64_t random;              // state of a splitmix64, seeded from getrandom
	struct dp_control_link *link; // for this turn of the loop only
	struct rte_mbuf *rx_frame[DP_BURST];
	struct dp_lane lane;
	struct dp_batch batch;
	struct dp_tx tx[TP_MAX_PORTS];
	uint64_t port_mac[TP_MAX_PORTS]; // of each port, bytes 0..5 in memory order
	struct dp_rx_queue rx[TP_MAX_PORTS * CONF_MAX_CORES];

	struct dp_budget *budget;        // of five-tuples without an allocation
	struct dp_nonce_sign nonce_keys; // as read last
	uint32_t settings_seen;          // generation of dp.settings
	struct dp_dtls *dtls;            // NULL: no listener serves it
	struct dp_reassembly *reassembly;
	struct dp_whole whole[DP_BURST];
	uint16_t n_whole;
	uint8_t *scratch; // DP_SCRATCH_BYTES: a message that spans segments

	// How much comes, path/idle.h: since when, how many frames there had been by then, and
	// whether it was little in the time before.
	struct {
		uint64_t since_ns, frames;
		bool calm;
	} pace;

	_Atomic uint64_t icmp_in_level; // token buckets, path/police.h
	_Atomic uint64_t icmp_out_level;

	// Frames handed to this worker for a queue it owns, one ring a producer.
	struct rte_ring *handoff[TP_MAX_WORKERS];
	bool handoff_dirty[TP_MAX_WORKERS]; // we put frames into that worker's ring this burst

	// w: this worker r: manager, relaxed
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint64_t counter[TP_COUNTERS];
	_Atomic uint64_t drop[TP_DROPS];
	_Atomic uint64_t held_fragments; // frames in reassembly
	_Atomic uint64_t handoff_out;    // received frames put into others' rings ...
	_Atomic uint64_t handoff_in;     // ... and taken from ours
	_Atomic uint64_t last_seen_ns;
	_Atomic uint64_t probe_done_ns; // when it reported
	_Atomic uint64_t probe_report;  // release: round, result and reason, path/probe.h

	struct dp_moves moves;

	// Shared with others.
	alignas(RTE_CACHE_LINE_SIZE) _Atomic uint32_t asleep; // w: this worker r: all, seq_cst
	_Atomic(struct dp_control_link *) published;          // w: manager r: this worker, acquire
	// By TP_STREAM_PLACE; a bit of `streams` says where one is. w: manager r: this worker,
	// acquire
	_Atomic uint64_t streams;
	_Atomic(struct dp_stream_link *) stream[TP_STREAM_PLACES];
	int event_fd;
	_Atomic uint32_t probe_wanted; // w: manager r: this worker; the round of path/probe.h
	uint32_t probe_done;           // the last one it ran
};

// 64 random bits; not for secrets. splitmix64 (Steele, Lea, Flood 2014).
static inline uint64_t dp_random(struct dp_worker *w)
{
	uint64_t z = (w->random += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}
