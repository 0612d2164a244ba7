// SPDX-License-Identifier: BSD-3-Clause
// What the harness and the control process that it forks share, and the questions it asks it. The
// two take turns: nothing happens at the same time, so a scenario is a function of its seed.
#pragma once

#include <sys/types.h>

#include "common/abi/shm_map.h"
#include "config/conf.h"
#include "control/alloc/adopt.h"
#include "control/alloc/relay_use.h"
#include "control/turn/turn.h"
#include "tests/faults/point.h"

#define FAULT_SLOTS     512 // of either ring
#define FAULT_ANSWERS   32
#define FAULT_ALLOCS    24
#define FAULT_PEERS     160
#define FAULT_NAMES     6
#define FAULT_INSTANCES 7

enum fault_ask {
	ASK_ATTACH,  // to `region` and fresh rings; the first time it adopts
	ASK_ROUND,   // acknowledgements, synchronisation, what has expired
	ASK_REQUEST, // takes `request`
	ASK_COUNT,   // reads the counters of `alloc`
	ASK_CLOSE,   // the operator ends `alloc`
	ASK_DETACH,  // the dataplane is gone
	ASK_TICK,
	ASK_END, // an orderly end
};

struct fault_answer {
	struct tp_addr to, from;
	uint8_t bytes[CTL_RESPONSE_MAX_BYTES];
	size_t length;
};

struct fault_shared {
	struct fault_plan plan;
	struct ctl_time now;
	uint64_t random; // of control

	enum fault_ask ask;
	uint8_t op; // of a request, enum fault_op
	struct tp_addr client, listener;
	uint8_t request[CTL_REQUEST_MAX_BYTES];
	size_t request_length;
	struct tp_alloc_ref alloc;
	bool fresh_region;                // of ASK_ATTACH: not the one it has
	size_t region_bytes, rings_bytes; // as announced

	bool look_for_leaks; // at the next orderly end; always after an allocation has failed

	// Control's side of it.
	struct fault_answer answer[FAULT_ANSWERS];
	uint32_t answers;
	uint8_t op_of[4096]; // what a command was sent for, by sequence
	int rc;              // of ASK_ATTACH
	struct ctl_adoption adoption;
	bool attached, in_step;
	uint64_t pending, commands; // transactions; commands sent in this life
	struct ctl_store_status status;
	struct ctl_relay_totals relays[2];
	uint32_t deadlines; // that the store waits for
};

struct fault_memory {
	struct tp_shm region, rings;
};

// A control process. Everything of it but `shared` and the memory is its own.
struct fault_control {
	pid_t pid; // 0: none
	int fd;
};

void fault_control_start(struct fault_control *c, struct fault_shared *s, const struct conf *conf);
// Asks and waits. True when it answered; false when it was killed as planned, and is gone. Anything
// else ends the scenario. `m` comes with ASK_ATTACH, else NULL.
bool fault_control_ask(struct fault_control *c, struct fault_shared *s,
	const struct fault_memory *m, enum fault_ask ask);

// Says what is wrong and ends the scenario (campaign.c).
__attribute__((noreturn, format(printf, 1, 2))) void fault_fail(const char *format, ...);
// A line of the scenario's trace.
__attribute__((format(printf, 1, 2))) void fault_trace(const char *format, ...);
#define FAULT_CHECK(condition, ...)                                                                \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fault_fail(__VA_ARGS__);                                                   \
	} while (0)
