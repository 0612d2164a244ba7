// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "control/stream/queue.h"

#define MS TP_NS_PER_MS

static const struct stream_queue_limits limits = {.bytes = 400, .age_ns = 200 * MS};

// One message of `n` bytes, all of them `mark`.
static void add(struct stream_queue *q, uint8_t mark, size_t n, bool media, uint64_t now_ns)
{
	uint8_t bytes[1024];

	memset(bytes, mark, n);
	assert_int_equal(stream_queue_add(q, bytes, n, media, now_ns), 0);
	stream_queue_trim(q, &limits, now_ns);
}

// The first bytes of all that is left, which is taken out.
static void expect(struct stream_queue *q, const char *marks)
{
	for (; *marks; marks++) {
		struct iovec piece;

		assert_int_equal(stream_queue_pieces(q, &piece, 1), 1);
		assert_int_equal(*(uint8_t *)piece.iov_base, *marks);
		stream_queue_sent(q, piece.iov_len);
	}
	assert_true(stream_queue_empty(q));
	assert_int_equal(q->media_bytes, 0);
	assert_int_equal(q->answer_bytes, 0);
}

static void padding_is_zero(void **state)
{
	struct stream_queue q = {0};
	uint8_t out[16];

	add(&q, 'a', 5, true, 0);
	memset(out, 'x', sizeof(out));
	assert_int_equal(stream_queue_gather(&q, out, sizeof(out)), 8);
	assert_memory_equal(out, "aaaaa\0\0\0", 8);
	assert_true(stream_queue_empty(&q));
}

static void oldest_media_goes_first(void **state)
{
	struct stream_queue q = {0};

	for (uint8_t mark = 'a'; mark <= 'f'; mark++)
		add(&q, mark, 100, true, 0);
	assert_int_equal(q.dropped_packets, 2);
	assert_int_equal(q.dropped_bytes, 200);
	assert_int_equal(q.media_bytes, 400);
	expect(&q, "cdef");
}

static void answers_are_never_dropped(void **state)
{
	struct stream_queue q = {0};

	add(&q, 'A', 400, false, 0);
	add(&q, 'b', 300, true, 0);
	add(&q, 'C', 400, false, 0);
	add(&q, 'd', 300, true, 1000 * MS);
	assert_int_equal(q.dropped_packets, 1);
	assert_int_equal(q.answer_bytes, 800);
	expect(&q, "ACd");
}

static void what_is_half_sent_is_never_dropped(void **state)
{
	struct stream_queue q = {0};
	struct iovec pieces[8];

	add(&q, 'a', 300, true, 0);
	stream_queue_sent(&q, 1);
	add(&q, 'b', 300, true, 0);
	add(&q, 'c', 300, true, 1000 * MS);
	assert_int_equal(stream_queue_pieces(&q, pieces, 8), 2);
	assert_int_equal(pieces[0].iov_len, 299);
	assert_int_equal(*(uint8_t *)pieces[1].iov_base, 'c');
	expect(&q, "ac");
}

static void old_media_goes(void **state)
{
	struct stream_queue q = {0};

	add(&q, 'a', 10, true, 0);
	add(&q, 'b', 10, true, 100 * MS);
	stream_queue_trim(&q, &limits, 200 * MS);
	assert_int_equal(q.dropped_packets, 0);
	stream_queue_trim(&q, &limits, 200 * MS + 1);
	assert_int_equal(q.dropped_packets, 1);
	expect(&q, "b");
}

static void one_message_over_the_limit_passes(void **state)
{
	struct stream_queue q = {0};

	add(&q, 'a', 100, true, 0);
	add(&q, 'b', 1000, true, 0);
	assert_int_equal(q.dropped_packets, 1);
	expect(&q, "b");
}

// A record ends where there is room, also in the middle of a message.
static void records_are_filled(void **state)
{
	struct stream_queue q = {0};
	uint8_t out[160];

	for (uint8_t mark = 'a'; mark <= 'c'; mark++)
		add(&q, mark, 100, true, 0);
	assert_int_equal(stream_queue_gather(&q, out, 160), 160);
	assert_int_equal(out[99], 'a');
	assert_int_equal(out[100], 'b');
	assert_int_equal(q.media_bytes, 200);
	assert_int_equal(stream_queue_gather(&q, out, 160), 140);
	assert_int_equal(out[39], 'b');
	assert_int_equal(out[40], 'c');
	assert_true(stream_queue_empty(&q));
}

static void all_of_it_is_freed(void **state)
{
	struct stream_queue q = {0};

	add(&q, 'a', 100, true, 0);
	add(&q, 'b', 100, false, 0);
	stream_queue_sent(&q, 3);
	stream_queue_free(&q);
	expect(&q, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(padding_is_zero),
		cmocka_unit_test(oldest_media_goes_first),
		cmocka_unit_test(answers_are_never_dropped),
		cmocka_unit_test(what_is_half_sent_is_never_dropped),
		cmocka_unit_test(old_media_goes),
		cmocka_unit_test(one_message_over_the_limit_passes),
		cmocka_unit_test(records_are_filled),
		cmocka_unit_test(all_of_it_is_freed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
