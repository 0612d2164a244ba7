// SPDX-License-Identifier: BSD-3-Clause
// Requests that the workers punted, and the way back of their responses. Slots are copied out
// before they are checked; nothing of a slot is believed.
#pragma once

#include "common/abi/punt.h"
#include "control/dpcmd/attach.h"
#include "control/turn/turn.h"

struct ctl_io_counters {
	uint64_t received;
	uint64_t malformed;    // slots that contradict themselves
	uint64_t not_listener; // destinations that are no configured UDP listener
	uint64_t sent;
	uint64_t inject_full; // responses lost: the worker does not drain its ring
};

// What ctl_reply_to carries through control/turn.
struct ctl_punt_way {
	struct tp_reply_path path;
	uint16_t worker;
	uint8_t dscp_ecn;
	uint8_t pad;
};
static_assert(sizeof(struct ctl_punt_way) <= sizeof(((struct ctl_reply_to *)0)->bytes));

// Where requests go; ctl_turn_request in the process, anything in tests.
typedef void (*ctl_punt_sink_fn)(void *context, const struct ctl_request *request);

struct ctl_punt_in {
	const struct conf *conf; // its listeners are served
	ctl_punt_sink_fn sink;
	void *context;
	struct ctl_io_counters counters;
};

// Takes at most `max` requests of each worker. True when some worker may have more.
bool ctl_punt_drain(struct ctl_punt_in *in, struct ctl_attachment *a, uint32_t max);

// Sends a response by the worker that punted its request. Not before ctl_inject_flush is it sure to
// leave.
void ctl_inject_send(struct ctl_punt_in *in, struct ctl_attachment *a,
	const struct ctl_reply_to *reply_to, const struct tp_addr *source,
	const struct tp_addr *destination, const uint8_t *bytes, size_t length);
void ctl_inject_flush(struct ctl_attachment *a);
