// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/stream/pending.h"

// A Binding request; its transaction id is one number.
static void add(struct stream_pending *p, uint8_t number)
{
	uint8_t bytes[24] = {0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x42, number};
	struct stream_request *r = stream_request_new(bytes, sizeof(bytes), number);

	assert_non_null(r);
	stream_pending_append(p, r);
}

// Takes all of it: their numbers, in order.
static void expect(struct stream_pending *p, const char *numbers)
{
	struct stream_request *r;

	assert_int_equal(p->count, strlen(numbers));
	assert_int_equal(p->bytes, 24 * strlen(numbers));
	for (; *numbers; numbers++) {
		r = stream_pending_take(p);
		assert_non_null(r);
		assert_int_equal(r->bytes[8], *numbers);
		free(r);
	}
	assert_null(stream_pending_take(p));
	assert_null(p->head);
	assert_null(p->tail);
}

static bool answered(struct stream_pending *p, uint8_t number)
{
	const uint8_t id[12] = {number};

	return stream_pending_answered(p, id);
}

static void what_is_answered_goes_from_wherever_it_is(void **state)
{
	struct stream_pending p = {0};

	assert_false(answered(&p, 'a'));
	for (uint8_t c = 'a'; c <= 'e'; c++)
		add(&p, c);
	assert_true(answered(&p, 'c'));
	assert_false(answered(&p, 'c'));
	assert_true(answered(&p, 'a'));
	assert_true(answered(&p, 'e'));
	add(&p, 'f'); // behind what is the last now
	expect(&p, "bdf");
	add(&p, 'g');
	assert_true(answered(&p, 'g'));
	expect(&p, "");
}

static void what_was_asked_comes_before_what_waits(void **state)
{
	struct stream_pending asked = {0}, waits = {0};

	add(&asked, 'a');
	add(&asked, 'b');
	stream_pending_put_back(&waits, &asked);
	expect(&asked, "");
	add(&waits, 'd');
	add(&asked, 'c');
	stream_pending_put_back(&waits, &asked);
	stream_pending_put_back(&waits, &asked); // nothing
	expect(&waits, "cabd");
}

static void the_old_ones_go(void **state)
{
	struct stream_pending p = {0};

	assert_int_equal(stream_pending_expire(&p, 100), 0);
	add(&p, 'a');
	add(&p, 'b');
	add(&p, 'c');
	assert_int_equal(stream_pending_expire(&p, 'b'), 1);
	expect(&p, "bc");
	add(&p, 'a');
	assert_int_equal(stream_pending_expire(&p, UINT64_MAX), 1);
	expect(&p, "");
}

static void only_requests_are_answered(void **state)
{
	const struct {
		uint16_t type;
		bool is;
	} types[] = {
		{0x0001, true}, {0x0003, true}, {0x0011, false}, {0x0101, false}, {0x0111, false}};
	uint8_t bytes[20] = {0};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		bytes[0] = (uint8_t)(types[i].type >> 8);
		bytes[1] = (uint8_t)types[i].type;
		struct stream_request *r = stream_request_new(bytes, sizeof(bytes), 0);
		assert_int_equal(stream_request_is_answered(r), types[i].is);
		free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_answered_goes_from_wherever_it_is),
		cmocka_unit_test(what_was_asked_comes_before_what_waits),
		cmocka_unit_test(the_old_ones_go),
		cmocka_unit_test(only_requests_are_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
