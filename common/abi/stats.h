// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane answers to TP_MSG_STATUS: everything turnpikectl shows of it, also when
// control is dead. Totals since start; rates are the reader's business.
#pragma once

#include "common/abi/abi.h"

enum tp_counter {
#define TP_COUNTER(name, unit, help) TP_COUNTER_##name,
#include "common/abi/counter.def"
#undef TP_COUNTER
	TP_COUNTERS,
};

enum tp_drop_reason {
#define TP_DROP(name, help) TP_DROP_##name,
#include "common/abi/drop_reason.def"
#undef TP_DROP
	TP_DROPS,
};

// Places reserved in messages, so that new counters do not change a size.
#define TP_COUNTER_PLACES 48
#define TP_DROP_PLACES    64
static_assert(TP_COUNTERS <= TP_COUNTER_PLACES && TP_DROPS <= TP_DROP_PLACES);

// "channel_up"; NULL beyond the last one.
const char *tp_counter_name(unsigned int counter);
const char *tp_counter_help(unsigned int counter);
const char *tp_counter_unit(unsigned int counter);
const char *tp_drop_name(unsigned int reason);
const char *tp_drop_help(unsigned int reason);

struct tp_port_status {
	char name[16];      // of the config
	char interface[16]; // kernel interface
	char mode[16];
	uint32_t link_up;
	uint32_t mtu;
	uint64_t rx, tx; // frames the device counted
	// XDP_STATISTICS of the port's AF_XDP sockets, summed.
	uint64_t xdp_rx_dropped, xdp_rx_ring_full, xdp_rx_fill_empty, xdp_tx_invalid, xdp_tx_empty;
	// Steering program: what it redirected by class, left to the kernel, dropped.
	uint64_t steer_udp_listener, steer_udp_relay, steer_fragment, steer_icmp, steer_passed;
	uint64_t steer_dropped, guard_dropped;
};

struct tp_status_reply {
	struct tp_message_header header;
	char version[32];
	uint32_t pid;
	uint32_t control_pid; // 0: none attached
	uint64_t instance;
	uint64_t started_wall_ns;
	uint64_t now_ns;           // CLOCK_MONOTONIC when the counters were read
	uint64_t control_since_ns; // monotonic time of attach or detach
	uint16_t workers;
	uint16_t ports;
	uint16_t hugepages;    // 1 when packet memory lies in hugepages
	uint16_t workers_late; // workers that have not passed their loop for a second
	uint64_t tsc_hz;
	uint64_t counter[TP_COUNTER_PLACES];
	uint64_t drop[TP_DROP_PLACES];
	uint64_t held; // packets in hand-off rings, reassembly and transmit buffers
	uint64_t allocations, permissions, channels, flows, flow_capacity;
	uint64_t mbufs_free, mbufs_total;
	uint64_t commands, commands_refused;
	uint64_t routes, neighbours, next_hops, next_hops_unresolved;
	struct tp_port_status port[TP_MAX_PORTS];
};
