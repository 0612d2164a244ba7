// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/setup/port_set.h"

static void expect_format(const struct dp_port_set *s, const char *text)
{
	char out[256];

	assert_int_equal(dp_port_set_format(s, out, sizeof(out)), strlen(text));
	assert_string_equal(out, text);
}

static void reads_and_writes_the_kernels_form(void **state)
{
	static const char *const texts[] = {
		"", "0", "65535", "80,443,8000-8010", "0-65535", "1-2,4-5,65534-65535"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct dp_port_set s;
		assert_int_equal(dp_port_set_parse(texts[i], &s), 0);
		expect_format(&s, texts[i]);
	}
}

static void joins_what_touches(void **state)
{
	struct dp_port_set s;

	assert_int_equal(dp_port_set_parse("7,5,6,100-200,150-300\n", &s), 0);
	expect_format(&s, "5-7,100-300");
}

static void refuses_what_is_no_set(void **state)
{
	static const char *const texts[] = {
		"x", "1-", "-1", "5-4", "65536", "1;2", "1,,2", "99999999999999999999", "1 2"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct dp_port_set s;
		assert_int_equal(dp_port_set_parse(texts[i], &s), -EINVAL);
	}
}

static void a_text_that_does_not_fit_is_an_error(void **state)
{
	struct dp_port_set s;
	char out[8];

	assert_int_equal(dp_port_set_parse("10000-20000", &s), 0);
	assert_int_equal(dp_port_set_format(&s, out, sizeof(out)), -E2BIG);
	assert_int_equal(dp_port_set_format(&s, out, 0), -E2BIG);
	assert_int_equal(dp_port_set_parse("10-200", &s), 0);
	assert_int_equal(dp_port_set_format(&s, out, sizeof(out)), 6);
}

static void set_algebra(void **state)
{
	struct dp_port_set a, b;

	assert_int_equal(dp_port_set_parse("10-20", &a), 0);
	assert_int_equal(dp_port_set_parse("15-30", &b), 0);
	dp_port_set_join(&a, &b);
	expect_format(&a, "10-30");
	dp_port_set_remove(&a, &b);
	expect_format(&a, "10-14");
	assert_false(dp_port_set_empty(&a));
	dp_port_set_remove(&a, &a);
	assert_true(dp_port_set_empty(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_the_kernels_form),
		cmocka_unit_test(joins_what_touches),
		cmocka_unit_test(refuses_what_is_no_set),
		cmocka_unit_test(a_text_that_does_not_fit_is_an_error),
		cmocka_unit_test(set_algebra),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
