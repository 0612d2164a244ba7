// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/stream/connection.h"
#include "control/stream/table.h"

static void numbers_find_their_connection(void **state)
{
	struct stream_connection c[3];
	struct stream_table t;
	uint32_t number[3];

	assert_int_equal(stream_table_init(&t, 3), 0);
	for (int i = 0; i < 3; i++) {
		number[i] = stream_table_add(&t, &c[i]);
		assert_int_not_equal(number[i], 0);
	}
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(stream_table_find(&t, number[i]), &c[i]);
	assert_int_equal(stream_table_add(&t, &c[0]), 0);
	assert_null(stream_table_find(&t, 0));
	assert_null(stream_table_find(&t, number[0] ^ 0x80000000));
	assert_null(stream_table_find(&t, number[0] | 3)); // behind the last place
	stream_table_remove(&t, number[1]);
	assert_null(stream_table_find(&t, number[1]));
	stream_table_fini(&t);
}

static void a_number_comes_again_late(void **state)
{
	struct stream_connection c;
	struct stream_table t;

	assert_int_equal(stream_table_init(&t, 4), 0);
	uint32_t first = stream_table_add(&t, &c), second;
	stream_table_remove(&t, first);
	// Its place is used last.
	for (int i = 0; i < 3; i++) {
		second = stream_table_add(&t, &c);
		assert_int_not_equal(second & 3, first & 3);
		stream_table_remove(&t, second);
	}
	for (int i = 0; i < 100000; i++) {
		second = stream_table_add(&t, &c);
		assert_int_not_equal(second, 0);
		assert_int_not_equal(second, first);
		stream_table_remove(&t, second);
	}
	stream_table_fini(&t);
}

static void no_number_is_zero(void **state)
{
	struct stream_connection c;
	struct stream_table t;

	assert_int_equal(stream_table_init(&t, 1), 0);
	t.number[0] = UINT32_MAX; // the last generation of the only place
	assert_int_not_equal(stream_table_add(&t, &c), 0);
	stream_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_find_their_connection),
		cmocka_unit_test(a_number_comes_again_late),
		cmocka_unit_test(no_number_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
