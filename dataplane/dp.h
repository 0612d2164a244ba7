// SPDX-License-Identifier: BSD-3-Clause
// Everything the dataplane process owns. One instance, created by main, passed first everywhere.
#pragma once

#include <stdatomic.h>

#include <rte_ether.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "common/abi/abi.h"
#include "common/abi/ring.h"
#include "common/abi/stats.h"
#include "config/conf.h"
#include "dataplane/path/nonce_key.h"
#include "dataplane/path/police.h"
#include "dataplane/path/settings.h"
#include "dataplane/setup/xdp.h"
#include "dataplane/table/flow_table.h"
#include "dataplane/table/locals.h"
#include "dataplane/table/next_hop.h"

#define DP_BURST 32 // frames a receive poll; bench/micro has the figures behind it

// Private bytes of an mbuf, between its own two cache lines and its buffer. A received frame then
// starts 8 bytes into a line: the headers of ChannelData over IPv4, 46 bytes, lie in one line before
// and after four bytes went in or out of them.
#define DP_MBUF_PRIVATE 8

struct dp_net;    // net/net.h: routes, neighbours, links as the kernel has them
struct dp_steer;  // setup/steer.h: XDP program, maps, guard of all ports
struct dp_apply;  // cmd/apply.h: allocations, permissions; the only writer of table/
struct dp_manage; // manage/manage.h: the management thread's loop
struct dp_worker; // path/worker.h
struct dp_moves_wake;

// One DPDK port. Filled by setup/port before workers start; fixed afterwards but for `mtu`, `up`.
struct dp_port {
	const struct conf_port *conf;
	uint16_t index;   // in dp.ports
	uint16_t port_id; // DPDK's
	uint32_t ifindex; // 0 in bench mode
	uint32_t routes_ifindex; // whose addresses, routes and neighbours are the port's; 0: nobody's
	struct rte_ether_addr mac;
	_Atomic uint16_t mtu; // IP bytes
	_Atomic uint8_t up;
	bool multi_segs; // TX offload present: chains may reach tx_burst
	uint16_t queues; // RX = TX queues
	// Worker that owns each queue (both directions); others hand frames to it through
	// `handoff`.
	uint8_t queue_owner[CONF_MAX_CORES];
	int queue_fd[CONF_MAX_CORES]; // AF_XDP socket to poll() on, or -1
};

// What control and a worker share during one attachment. Published to the worker by pointer, freed
// through QSBR after the next one is published and this one's inject ring is drained.
struct dp_control_link {
	struct tp_ring punt;   // producer: the worker
	struct tp_ring inject; // consumer: the worker
};

// What a stream process and a worker share during one attachment: published and freed as the above.
struct dp_stream_link {
	uint32_t stream;
	_Atomic uint32_t flags; // TP_STREAM_*; w: manager r: the worker, relaxed
	uint64_t attached;      // greater than those of streams that came before; never 0
	struct tp_ring up;      // consumer: the worker
	struct tp_ring down;    // producer: the worker
};

struct dp {
	const struct conf *conf;
	uint64_t instance; // random, of this run
	uint64_t started_wall_ns;
	uint64_t tsc_hz;
	bool hugepages;

	struct rte_mempool *pool;  // wholly inside the UMEM of every AF_XDP port
	struct rte_rcu_qsbr *qsbr; // thread id = worker index
	struct dp_port ports[TP_MAX_PORTS];
	uint16_t n_ports;
	struct dp_worker *workers[TP_MAX_WORKERS];
	uint16_t n_workers;
	_Atomic bool stop; // w: signal path of the manager r: workers

	struct dp_nonce_key nonce_key;    // w: manager r: workers
	struct dp_settings settings;      // w: manager r: workers
	struct dp_moves_wake *moves_wake; // path/moves.h; NULL: nobody listens

	struct dp_police_state *police; // cmd/apply: one an allocation; their words are workers'
	_Atomic bool policing;          // w: manager r: workers, relaxed; some flow has a rate
	// cmd/apply: by allocation, index of the DP_FLOW_ALLOCATION flow of the client that it
	// moves or has moved to, 0 none; w: manager, release r: workers, acquire. Looked at only
	// for a flow with DP_FLOW_MOVE.
	_Atomic uint32_t *moving;

	struct dp_locals *locals;
	struct dp_flow_table *flows;
	struct dp_flow *probe_flow;    // path/probe.h; NULL: none, probes fail
	struct dp_next_hop *next_hops; // DP_NEXT_HOP_MAX entries
	struct dp_net *net;
	struct dp_steer *steer;
	struct dp_apply *apply;
	struct dp_manage *manage;
	struct dp_xdp_seen xdp_seen[TP_MAX_PORTS]; // before privileges went; by place in the config
	int kept_region_fd; // of the run before, 0: none; dp_manage_create takes it
	int lock_fd;        // flock on RUN_DIRECTORY/dataplane.lock
};
