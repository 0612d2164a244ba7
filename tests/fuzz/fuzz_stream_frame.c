// SPDX-License-Identifier: BSD-3-Clause
// A client's bytes over a stream, cut into pieces: the same messages come out as of the whole, also
// when each of them has to wait before it is taken.
#include "common/abi/stream.h"
#include "control/stream/frame.h"
#include "tests/fuzz/fuzz.h"

// The messages of `data` one after the other, as long as they are whole; what follows them.
static size_t walk(
	const uint8_t *data, size_t size, uint32_t *messages, enum stream_frame_result *then)
{
	struct stream_frame f;
	size_t at = 0;

	for (*messages = 0;
		(*then = stream_frame_read(data + at, size - at, &f)) == STREAM_FRAME_WHOLE;
		++*messages) {
		FUZZ_CHECK(f.length >= 4 && f.length <= TP_STREAM_MESSAGE_MAX);
		FUZZ_CHECK(f.bytes >= f.length && f.bytes < f.length + 4 && f.bytes % 4 == 0);
		FUZZ_CHECK(f.bytes <= size - at);
		FUZZ_CHECK(stream_frame_is_message(data + at, f.length));
		FUZZ_CHECK(f.kind == STREAM_FRAME_CHANNEL_DATA || f.bytes == f.length);
		at += f.bytes;
	}
	return at;
}

static int feed(struct stream_assembly *a, struct stream_input in, bool waits, const uint8_t **at,
	uint32_t *messages)
{
	struct stream_message m, again;
	int rc;

	while ((rc = stream_assembly_next(a, &in, &m)) == STREAM_FRAME_WHOLE) {
		if (waits) {
			FUZZ_CHECK(stream_assembly_next(a, &in, &again) == STREAM_FRAME_WHOLE);
			FUZZ_CHECK(again.bytes == m.bytes && again.frame.bytes == m.frame.bytes);
		}
		FUZZ_CHECK(memcmp(m.bytes, *at, m.frame.bytes) == 0);
		*at += m.frame.bytes;
		++*messages;
		stream_assembly_take(a, &in, &m);
		FUZZ_CHECK(a->have == 0);
	}
	FUZZ_CHECK(rc == STREAM_FRAME_WRONG || in.left == 0);
	FUZZ_CHECK(a->have <= a->capacity && a->capacity < 2 * a->have + 256);
	return rc;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	if (size < 1)
		return;
	const size_t piece = 1 + (data[0] & 0x7f);
	const bool waits = data[0] & 0x80;
	const uint8_t *stream = data + 1, *at = stream;
	uint32_t expected, messages = 0;
	enum stream_frame_result then;
	struct stream_assembly a = {0};
	int rc = STREAM_FRAME_MORE;

	size--;
	size_t whole = walk(stream, size, &expected, &then);
	for (size_t i = 0; rc == STREAM_FRAME_MORE && i < size; i += piece) {
		size_t n = size - i < piece ? size - i : piece;
		// Pieces lie where they end, so that nothing is read behind one.
		uint8_t *copy = malloc(n);
		memcpy(copy, stream + i, n);
		rc = feed(&a, (struct stream_input){.at = copy, .left = n}, waits, &at, &messages);
		free(copy);
	}
	FUZZ_CHECK(messages == expected && at == stream + whole);
	FUZZ_CHECK(rc == (int)then);
	if (messages > 2 && then == STREAM_FRAME_MORE)
		fuzz_canary(stream + size);
	stream_assembly_free(&a);
}
