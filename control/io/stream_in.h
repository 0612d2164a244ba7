// SPDX-License-Identifier: BSD-3-Clause
// Requests of the clients of a stream process, what it tells of their connections, and the way back
// of their responses (common/abi/stream.h). Slots are copied out before they are checked; nothing
// of a slot is believed: a stream speaks for connections that it has announced, and announces
// clients of configured listeners, as many as it may have.
#pragma once

#include "common/abi/ring.h"
#include "control/io/stream_clients.h"
#include "control/turn/turn.h"

// Error responses in a row after which a connection is closed: who fails so often has no business
// here. More than a client with many candidates that the policy denies (403 each) collects.
#define CTL_STREAM_FAILURES 64

struct ctl_stream_counters {
	uint64_t received;      // requests
	uint64_t malformed;     // notes that contradict themselves
	uint64_t unannounced;   // notes about connections that were not announced
	uint64_t not_listener;  // clients of what is no configured listener of that transport
	uint64_t too_many;      // clients above the limit, closed
	uint64_t failing;       // connections closed for their failures
	uint64_t over_budget;   // connections without an allocation closed for asking too much
	uint64_t sent;          // responses
	uint64_t lost;          // responses to connections that were closed meanwhile
	uint64_t response_full; // responses lost: the stream does not drain its ring
};

// One stream process that is attached. Everything else about it is loop/streams.c's.
struct ctl_stream {
	uint32_t number;
	struct tp_ring request, response;
	struct ctl_stream_clients clients;
	bool ready; // it has announced all clients that it had
	bool gone;  // of what it says only ends and bytes count
};

struct ctl_stream_in {
	const struct conf *conf; // its listeners are served
	void (*request)(void *context, const struct ctl_request *request);
	// The connection was announced.
	void (*opened)(void *context, const struct ctl_request *opened);
	// The connection is not announced any more; `gone` names it, without bytes.
	void (*closed)(void *context, const struct ctl_request *gone);
	void (*ready)(void *context, struct ctl_stream *stream);
	// What it counts of an announced connection, which ASK asked for.
	void (*counted)(void *context, struct tp_stream_client client,
		const struct tp_stream_counters *counters);
	// Of TCP allocations. False: malformed.
	bool (*far)(void *context, const struct ctl_far_note *note);
	void *context;
	struct ctl_stream_counters counters;
};

// Takes at most `max` notes. True when there may be more.
bool ctl_stream_drain(struct ctl_stream_in *in, struct ctl_stream *stream, uint32_t max);

// Of a stream that is gone, takes what it had still to say of what it had: connections that ended, bytes.
// Its requests have nobody left to be answered, or are asked again once it is back.
void ctl_stream_drain_last(struct ctl_stream_in *in, struct ctl_stream *stream);

// Sends a response, and closes the connection when it has failed too often. Not before
// tp_ring_flush is it sure to leave.
void ctl_stream_send(struct ctl_stream_in *in, struct ctl_stream *stream, uint32_t connection,
	const uint8_t *bytes, size_t length);

// Tells the stream something about a connection, 0: about none. False when its ring is full.
bool ctl_stream_tell(struct ctl_stream *stream, enum tp_stream_note_kind kind, uint32_t connection);
// The same with a payload of at most TP_STREAM_NOTE_PAYLOAD bytes.
bool ctl_stream_put(struct ctl_stream *stream, enum tp_stream_note_kind kind, uint32_t connection,
	const void *payload, size_t length);
