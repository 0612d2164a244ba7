// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/abi/stream.h"
#include "common/base/bytes.h"
#include "common/wire/stun.h"
#include "control/stream/frame.h"

static size_t stun(uint8_t *out, uint16_t type, uint16_t body)
{
	memset(out, 0xab, STUN_HEADER_BYTES + body);
	tp_wr16(out, type);
	tp_wr16(out + 2, body);
	tp_wr32(out + 4, STUN_MAGIC_COOKIE);
	return STUN_HEADER_BYTES + body;
}

static size_t channel_data(uint8_t *out, uint16_t channel, uint16_t length)
{
	size_t bytes = 4 + length + stream_frame_padding(length);

	memset(out, 0, bytes);
	memset(out + 4, 0xcd, length);
	tp_wr16(out, channel);
	tp_wr16(out + 2, length);
	return bytes;
}

static void kinds_are_told_apart(void **state)
{
	uint8_t bytes[64];
	struct stream_frame f;

	assert_int_equal(stun(bytes, stun_type(STUN_INDICATION, STUN_SEND), 8), 28);
	assert_int_equal(stream_frame_read(bytes, 28, &f), STREAM_FRAME_WHOLE);
	assert_int_equal(f.kind, STREAM_FRAME_INDICATION);
	stun(bytes, stun_type(STUN_REQUEST, STUN_ALLOCATE), 8);
	assert_int_equal(stream_frame_read(bytes, 28, &f), STREAM_FRAME_WHOLE);
	assert_int_equal(f.kind, STREAM_FRAME_REQUEST);
	stun(bytes, stun_type(STUN_SUCCESS, STUN_ALLOCATE), 8);
	assert_int_equal(stream_frame_read(bytes, 28, &f), STREAM_FRAME_WHOLE);
	assert_int_equal(f.kind, STREAM_FRAME_REQUEST);
	assert_int_equal(channel_data(bytes, 0x4fff, 5), 12);
	assert_int_equal(stream_frame_read(bytes, 12, &f), STREAM_FRAME_WHOLE);
	assert_int_equal(f.kind, STREAM_FRAME_CHANNEL_DATA);
	assert_int_equal(f.length, 9);
	assert_int_equal(f.bytes, 12);
}

static void padding_belongs_to_channel_data(void **state)
{
	uint8_t bytes[64];
	struct stream_frame f;

	for (uint16_t length = 0; length < 9; length++) {
		size_t n = channel_data(bytes, 0x4000, length);

		assert_int_equal(n % 4, 0);
		assert_int_equal(stream_frame_read(bytes, n, &f), STREAM_FRAME_WHOLE);
		for (size_t less = 0; less < n; less++)
			assert_int_equal(stream_frame_read(bytes, less, &f), STREAM_FRAME_MORE);
	}
}

static void what_no_message_begins_with_is_wrong(void **state)
{
	uint8_t bytes[64];
	struct stream_frame f;

	for (unsigned int first = 0x80; first <= 0xff; first++) {
		bytes[0] = (uint8_t)first;
		assert_int_equal(stream_frame_read(bytes, 1, &f), STREAM_FRAME_WRONG);
	}
	for (uint16_t odd = 1; odd < 4; odd++) {
		stun(bytes, 1, odd);
		assert_int_equal(stream_frame_read(bytes, 4, &f), STREAM_FRAME_WRONG);
	}
	stun(bytes, 1, 4);
	bytes[7]++;
	assert_int_equal(stream_frame_read(bytes, 7, &f), STREAM_FRAME_MORE);
	assert_int_equal(stream_frame_read(bytes, 8, &f), STREAM_FRAME_WRONG);
	stun(bytes, 1, 0);
	tp_wr16(bytes + 2, 65532); // fits into no ring
	assert_int_equal(stream_frame_read(bytes, 4, &f), STREAM_FRAME_WRONG);
}

static void one_message_has_its_own_length(void **state)
{
	uint8_t bytes[64];
	size_t n = stun(bytes, 1, 8);

	assert_true(stream_frame_is_message(bytes, n));
	assert_false(stream_frame_is_message(bytes, n - 4));
	assert_false(stream_frame_is_message(bytes, n + 4));
	channel_data(bytes, 0x4000, 5);
	assert_true(stream_frame_is_message(bytes, 9));
	assert_false(stream_frame_is_message(bytes, 12));
	assert_false(stream_frame_is_message(bytes, 3));
	assert_false(stream_frame_is_message(bytes, 0));
}

// Cut into pieces of every size, the same messages come out.
static void pieces_make_the_same_messages(void **state)
{
	uint8_t stream[2048];
	size_t total = 0;
	const uint16_t lengths[] = {0, 1, 3, 4, 700, 5, 255, 256, 2};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		total += channel_data(stream + total, (uint16_t)(0x4000 + i), lengths[i]);
	total += stun(stream + total, stun_type(STUN_INDICATION, STUN_SEND), 40);
	for (size_t piece = 1; piece <= total; piece++) {
		struct stream_assembly a = {0};
		struct stream_message m;
		size_t seen = 0;

		for (size_t at = 0; at < total; at += piece) {
			size_t n = total - at < piece ? total - at : piece;
			struct stream_input in = {.at = stream + at, .left = n};

			while (stream_assembly_next(&a, &in, &m) == STREAM_FRAME_WHOLE) {
				if (seen < 9) {
					assert_int_equal(tp_rd16(m.bytes), 0x4000 + seen);
					assert_int_equal(m.frame.length, 4 + lengths[seen]);
				} else {
					assert_int_equal(m.frame.kind, STREAM_FRAME_INDICATION);
				}
				seen++;
				stream_assembly_take(&a, &in, &m);
			}
			assert_int_equal(in.left, 0);
		}
		assert_int_equal(seen, 10);
		assert_int_equal(a.have, 0);
		assert_null(a.bytes);
	}
}

// What is not taken is there again.
static void a_message_can_wait(void **state)
{
	uint8_t stream[64];
	size_t n = channel_data(stream, 0x4001, 6);
	struct stream_assembly a = {0};
	struct stream_message m;
	struct stream_input in = {.at = stream, .left = 3};

	assert_int_equal(stream_assembly_next(&a, &in, &m), STREAM_FRAME_MORE);
	in = (struct stream_input){.at = stream + 3, .left = n - 3};
	for (int i = 0; i < 3; i++) {
		assert_int_equal(stream_assembly_next(&a, &in, &m), STREAM_FRAME_WHOLE);
		assert_int_equal(m.frame.length, 10);
		assert_memory_equal(m.bytes, stream, 10);
	}
	stream_assembly_take(&a, &in, &m);
	assert_int_equal(stream_assembly_next(&a, &in, &m), STREAM_FRAME_MORE);
	stream_assembly_free(&a);
}

static void memory_follows_what_came(void **state)
{
	uint8_t stream[300] = {0x40, 0, 0xff, 0xff};
	struct stream_assembly a = {0};
	struct stream_message m;
	struct stream_input in = {.at = stream, .left = 5};

	assert_int_equal(stream_assembly_next(&a, &in, &m), STREAM_FRAME_MORE);
	assert_true(a.capacity <= 256);
	in = (struct stream_input){.at = stream, .left = sizeof(stream)};
	assert_int_equal(stream_assembly_next(&a, &in, &m), STREAM_FRAME_MORE);
	assert_true(a.capacity <= 512);
	stream_assembly_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(padding_belongs_to_channel_data),
		cmocka_unit_test(what_no_message_begins_with_is_wrong),
		cmocka_unit_test(one_message_has_its_own_length),
		cmocka_unit_test(pieces_make_the_same_messages),
		cmocka_unit_test(a_message_can_wait),
		cmocka_unit_test(memory_follows_what_came),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
