// SPDX-License-Identifier: BSD-3-Clause
// Commands from control to the dataplane's management thread, and their acknowledgements. Every SET
// is idempotent: it creates or updates, so a replay into an empty dataplane, a re-attach and
// ordinary work are one code path. Executed and acknowledged in order.
#pragma once

#include "common/abi/abi.h"

#define TP_COMMAND_RING_SLOTS 4096
#define TP_ACK_RING_SLOTS     8192

enum tp_cmd_type {
	// Until SYNC_END every SET marks what it names; SYNC_END deletes allocations, permissions
	// and
	// channels that no SET marked. What is marked and equal is not touched.
	TP_CMD_SYNC_BEGIN = 1,
	TP_CMD_SYNC_END = 2,
	// Create, or change deadlines and rate. A relayed address that is not named any more goes
	// with its permissions and channels.
	TP_CMD_ALLOC_SET = 3,
	TP_CMD_ALLOC_DELETE = 4,   // with all its permissions and channels
	TP_CMD_PERMISSION_SET = 5, // also re-computes the deadlines of channels to that IP
	TP_CMD_PERMISSION_DELETE = 6,
	TP_CMD_CHANNEL_SET = 7,
	TP_CMD_CHANNEL_DELETE = 8,
	TP_CMD_COUNTERS = 9,  // nothing but the acknowledgement with the allocation's counters
	TP_CMD_SETTINGS = 10, // what the configuration may change live; names no allocation

	// Not a command: an acknowledgement of sequence 0, which the dataplane sends by itself when
	// the pending client of an allocation sent data and took the place of the old one.
	TP_EVENT_MOVED = 128,
};

struct tp_cmd_alloc {
	struct tp_addr client;
	struct tp_addr listener;     // as in tp_attached.listener
	struct tp_addr relay[2];     // private form; [1] of the other family or none
	uint64_t rate_bytes_per_s;   // 0 is unlimited; each direction of the allocation
	uint64_t rate_packets_per_s; // the same
	// Of what the relayed address of a family carries, IPv4, IPv6; 0: the command's deadline.
	uint64_t family_deadline_ns[2];
	// RFC 8016: where the client is moving to, or family none. Data from there goes to the
	// peers at once; data to the client goes to `client` until then.
	struct tp_addr pending, pending_listener;
};

// Takes the place of what the dataplane read in its own configuration; holds until the next one,
// also while no control is attached.
struct tp_cmd_settings {
	// Budgets of five-tuples without an allocation, each worker, requests a second; 0: no
	// limit.
	uint32_t per_address; // IPv4 /32, IPv6 /64
	uint32_t per_network; // IPv4 /24, IPv6 /56
	uint32_t punts;       // of all together, to control, with a nonce of ours
	uint32_t unproven;    // of all together, to control, without one
	uint16_t channel_max; // highest channel number, common/wire/chandata.h
	uint8_t hop_limit;    // of relayed packets; 0: one less than received
	uint8_t dscp;         // of relayed packets; 64: that of the packet received
	uint32_t log_level;   // enum tp_log_level
};

struct tp_cmd_channel {
	struct tp_addr peer;
	uint16_t channel;
	uint16_t pad[3];
};

struct tp_cmd {
	uint64_t sequence; // echoed
	uint16_t type;     // enum tp_cmd_type
	uint16_t layout;   // 1
	// ALLOC_SET: number of the move to `pending`, else to `client`; 0: none. The move before it
	// may have been completed without control's knowledge: then `client` is the one of before.
	uint32_t move;
	struct tp_alloc_ref alloc;
	uint64_t deadline_ns; // CLOCK_MONOTONIC, of the object named
	union {
		struct tp_cmd_alloc allocation;
		struct tp_ip permission; // peer IP
		struct tp_cmd_channel channel;
		struct tp_cmd_settings settings;
		uint8_t bytes[224];
	};
};

// Counters of an allocation, of all its flows that are or were: wire payload (application data)
// bytes.
struct tp_alloc_counters {
	uint64_t up_packets;
	uint64_t up_bytes;
	uint64_t down_packets;
	uint64_t down_bytes;
};

struct tp_ack {
	uint64_t sequence;
	// 0; -ENOSPC tables full; -EEXIST the key is another allocation's; -ESTALE the generation
	// is not the slot's; -ENOENT nothing there; -EADDRNOTAVAIL no such listener or relay
	// address; -EINVAL.
	int32_t result;
	uint16_t type;
	uint16_t pad;
	struct tp_alloc_ref alloc;
	union {
		uint64_t deleted; // SYNC_END: how many objects it removed
		uint64_t moved;   // ALLOC_SET (refused or not), TP_EVENT_MOVED: the last move
				  // completed, 0 none
	};
	struct tp_alloc_counters counters; // ALLOC_DELETE and COUNTERS
};

static_assert(sizeof(struct tp_cmd_alloc) == 176);
static_assert(sizeof(struct tp_cmd_settings) == 24);
static_assert(sizeof(struct tp_cmd) == 256);
static_assert(sizeof(struct tp_ack) == 64);
