// SPDX-License-Identifier: BSD-3-Clause
// Messages in the rings that a stream shares with the workers and with control: written, and taken
// out of memory that the other side may still write to. Pure but for the ring.
#pragma once

#include "common/abi/ring.h"
#include "common/abi/stream.h"

// Whether one more message of `length` bytes has room now.
bool stream_slots_fit(struct tp_ring *up, size_t length);
// Writes a client's message into an UP ring that has room for it; flush later.
void stream_slots_put(struct tp_ring *up, uint32_t connection, const uint8_t *bytes, size_t length);

// Writes a datagram to the client of `head`, or one that is not ours, into an UP ring: `length`
// bytes, at most TP_STREAM_SLOT_PAYLOAD; flush later. False: no room.
bool stream_slots_put_datagram(
	struct tp_ring *up, const struct tp_stream_slot *head, const void *bytes, size_t length);

enum stream_taken {
	STREAM_TAKEN_NOTHING, // the ring is empty
	STREAM_TAKEN_MESSAGE,
	STREAM_TAKEN_WRONG, // what was there made no sense, and is gone
};

struct stream_slots_message {
	uint16_t kind;                   // TP_STREAM_MESSAGE or TP_STREAM_DATAGRAM
	uint32_t connection;             // MESSAGE
	struct tp_addr client, listener; // DATAGRAM
	struct tp_reply_path path;
	uint32_t length;
	uint8_t bytes[TP_STREAM_MESSAGE_MAX];
};

// The next message of a DOWN ring, whatever it holds: it lies in `out` alone, and is one message of
// STUN or ChannelData, or a datagram from one transport address to another.
enum stream_taken stream_slots_take(struct tp_ring *down, struct stream_slots_message *out);

// struct tp_stream_note with a place for any payload.
struct stream_note {
	uint16_t kind;
	uint16_t length;
	uint32_t connection;
	uint64_t received_ns;
	uint8_t payload[TP_STREAM_NOTE_PAYLOAD];
};
static_assert(offsetof(struct stream_note, payload) == sizeof(struct tp_stream_note));
static_assert(sizeof(struct stream_note) == TP_PACKET_SLOT_BYTES);

// Writes one note into a REQUEST ring. False: no room. `length` at most TP_STREAM_NOTE_PAYLOAD.
bool stream_note_put(
	struct tp_ring *request, const struct tp_stream_note *head, const void *payload);

// The next note of a RESPONSE ring: of a kind that control may send; a RESPONSE is one STUN
// message.
enum stream_taken stream_note_take(struct tp_ring *response, struct stream_note *out);
