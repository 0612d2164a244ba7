// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/abi/stream.h"
#include "common/wire/chandata.h"
#include "common/wire/stun.h"

#define HEAD_BYTES       4 // what tells the length of either
#define COOKIE_END       8
#define SMALLEST_PARTIAL 256

static enum stream_frame_result more(struct stream_frame *out, uint32_t bytes)
{
	out->bytes = bytes;
	return STREAM_FRAME_MORE;
}

// A stream is not read on at a guess: a cookie that is wrong, or a length that no message has,
// means that this is something else, or that we lost our place.
static enum stream_frame_result read_stun(const uint8_t *bytes, size_t n, struct stream_frame *out)
{
	if (n < HEAD_BYTES)
		return more(out, STUN_HEADER_BYTES);
	out->length = out->bytes = STUN_HEADER_BYTES + tp_rd16(bytes + 2);
	if (out->length % 4 != 0 || out->length > TP_STREAM_MESSAGE_MAX)
		return STREAM_FRAME_WRONG;
	if (n >= COOKIE_END && tp_rd32(bytes + 4) != STUN_MAGIC_COOKIE)
		return STREAM_FRAME_WRONG;
	out->kind = stun_type_class(tp_rd16(bytes)) == STUN_INDICATION ? STREAM_FRAME_INDICATION
								       : STREAM_FRAME_REQUEST;
	return n < out->bytes ? STREAM_FRAME_MORE : STREAM_FRAME_WHOLE;
}

static enum stream_frame_result read_channel_data(
	const uint8_t *bytes, size_t n, struct stream_frame *out)
{
	if (n < HEAD_BYTES)
		return more(out, HEAD_BYTES);
	out->kind = STREAM_FRAME_CHANNEL_DATA;
	out->length = CHANDATA_HEADER_BYTES + tp_rd16(bytes + 2);
	out->bytes = out->length + stream_frame_padding(out->length);
	return n < out->bytes ? STREAM_FRAME_MORE : STREAM_FRAME_WHOLE;
}

// The two top bits tell the two apart. Channel numbers above 0x4FFF are the worker's to refuse,
// which knows what older clients may use.
enum stream_frame_result stream_frame_read(const uint8_t *bytes, size_t n, struct stream_frame *out)
{
	if (n == 0)
		return more(out, HEAD_BYTES);
	switch (bytes[0] >> 6) {
	case 0:
		return read_stun(bytes, n, out);
	case 1:
		return read_channel_data(bytes, n, out);
	default:
		return STREAM_FRAME_WRONG;
	}
}

bool stream_frame_is_message(const uint8_t *bytes, size_t length)
{
	struct stream_frame frame;

	if (length < HEAD_BYTES || stream_frame_read(bytes, length, &frame) == STREAM_FRAME_WRONG)
		return false;
	return frame.length == length;
}

static int grow(struct stream_assembly *a, size_t wanted, uint32_t most)
{
	uint32_t capacity = a->capacity ? a->capacity : SMALLEST_PARTIAL;
	uint8_t *grown;

	if (wanted <= a->capacity)
		return 0;
	while (capacity < wanted)
		capacity *= 2;
	if (capacity > most)
		capacity = most;
	grown = realloc(a->bytes, capacity);
	if (!grown)
		return -ENOMEM;
	a->bytes = grown;
	a->capacity = capacity;
	return 0;
}

int stream_assembly_next(
	struct stream_assembly *a, struct stream_input *in, struct stream_message *out)
{
	enum stream_frame_result result;

	if (a->have == 0) {
		result = stream_frame_read(in->at, in->left, &out->frame);
		out->bytes = in->at;
		if (result != STREAM_FRAME_MORE)
			return result;
	}
	for (;;) {
		result = stream_frame_read(a->bytes, a->have, &out->frame);
		out->bytes = a->bytes;
		if (result != STREAM_FRAME_MORE || in->left == 0)
			return result;
		size_t take = out->frame.bytes - a->have;
		if (take > in->left)
			take = in->left;
		int rc = grow(a, a->have + take, out->frame.bytes);
		if (rc)
			return rc;
		memcpy(a->bytes + a->have, in->at, take);
		a->have += (uint32_t)take;
		in->at += take;
		in->left -= take;
	}
}

void stream_assembly_take(
	struct stream_assembly *a, struct stream_input *in, const struct stream_message *message)
{
	if (a->have > 0) {
		stream_assembly_free(a);
		return;
	}
	in->at += message->frame.bytes;
	in->left -= message->frame.bytes;
}

void stream_assembly_free(struct stream_assembly *a)
{
	free(a->bytes);
	*a = (struct stream_assembly){0};
}
