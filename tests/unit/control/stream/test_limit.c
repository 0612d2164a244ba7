// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/stream/limit.h"

static struct tp_ip ip(const char *text)
{
	struct tp_ip out;

	assert_int_equal(tp_ip_parse(text, &out), 0);
	return out;
}

static void each_address_has_its_own(void **state)
{
	struct stream_limit l;
	struct tp_ip a = ip("198.18.0.1"), b = ip("198.18.0.2");

	assert_int_equal(stream_limit_init(&l, 100), 0);
	for (int i = 0; i < 3; i++)
		assert_true(stream_limit_take(&l, &a, 3));
	assert_false(stream_limit_take(&l, &a, 3));
	assert_true(stream_limit_take(&l, &b, 3));
	stream_limit_give(&l, &a);
	assert_true(stream_limit_take(&l, &a, 3));
	stream_limit_fini(&l);
}

static void a_64_is_one_source(void **state)
{
	struct stream_limit l;
	struct tp_ip a = ip("fd00::1"), b = ip("fd00::ffff:0:0:1"), c = ip("fd00:0:0:1::1");

	assert_int_equal(stream_limit_init(&l, 100), 0);
	assert_true(stream_limit_take(&l, &a, 1));
	assert_false(stream_limit_take(&l, &b, 1));
	assert_true(stream_limit_take(&l, &c, 1));
	stream_limit_give(&l, &b);
	assert_true(stream_limit_take(&l, &a, 1));
	stream_limit_fini(&l);
}

// Against an array of counts, in a table as full as it may be.
static void counts_are_right_whatever_goes(void **state)
{
	enum { SOURCES = 64 };
	uint32_t count[SOURCES] = {0}, total = 0, x = 12345;
	struct stream_limit l;

	assert_int_equal(stream_limit_init(&l, SOURCES), 0);
	for (int i = 0; i < 100000; i++) {
		x = x * 1664525 + 1013904223;
		uint32_t n = x >> 8 & (SOURCES - 1);
		struct tp_ip source = tp_ip4(0xc6120000 + n);

		if (x >> 31 && total < SOURCES) {
			assert_int_equal(stream_limit_take(&l, &source, 3), count[n] < 3);
			if (count[n] < 3) {
				count[n]++;
				total++;
			}
		} else if (count[n] > 0) {
			stream_limit_give(&l, &source);
			count[n]--;
			total--;
		}
	}
	stream_limit_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_has_its_own),
		cmocka_unit_test(a_64_is_one_source),
		cmocka_unit_test(counts_are_right_whatever_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
