// SPDX-License-Identifier: BSD-3-Clause
// Where messages begin and end in a stream of bytes (RFC 8489 section 6.2.2, RFC 8656
// section 12.5). Pure: no socket, no clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_frame_kind {
	STREAM_FRAME_CHANNEL_DATA,
	STREAM_FRAME_INDICATION,
	STREAM_FRAME_REQUEST, // all other STUN
};

enum stream_frame_result {
	STREAM_FRAME_MORE,  // `bytes` says how many it takes at least to know more
	STREAM_FRAME_WHOLE, // the message and its padding are there
	STREAM_FRAME_WRONG, // no message of STUN or TURN begins here
};

struct stream_frame {
	enum stream_frame_kind kind;
	uint32_t length; // of the message
	uint32_t bytes;  // of the message in the stream: ChannelData is padded to a multiple of 4
};

// Looks at the n bytes that are there. Of WRONG, `out` says nothing.
enum stream_frame_result stream_frame_read(
	const uint8_t *bytes, size_t n, struct stream_frame *out);

// One message as it goes out to a client: whether `length` bytes are exactly one, ChannelData
// without padding.
bool stream_frame_is_message(const uint8_t *bytes, size_t length);

// Padding that follows a message of that length.
static inline uint32_t stream_frame_padding(uint32_t length)
{
	return -length & 3;
}

// What came of a message whose end did not come yet. Grows with what comes, never by what is only
// announced. Zeroed is empty.
struct stream_assembly {
	uint8_t *bytes;
	uint32_t have, capacity;
};

struct stream_input {
	const uint8_t *at;
	size_t left;
};

struct stream_message {
	const uint8_t *bytes; // in the input or in the assembly, until _take
	struct stream_frame frame;
};

// The next message. WHOLE leaves it where it is until stream_assembly_take(), so that it can be
// left for later with the input that follows it. MORE has taken all of the input. -ENOMEM.
int stream_assembly_next(
	struct stream_assembly *a, struct stream_input *in, struct stream_message *out);
void stream_assembly_take(
	struct stream_assembly *a, struct stream_input *in, const struct stream_message *message);
void stream_assembly_free(struct stream_assembly *a);
