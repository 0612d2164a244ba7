// SPDX-License-Identifier: BSD-3-Clause
// Merging into ip_local_reserved_ports and taking out again, on a file in place of the kernel's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/setup/reserved_ports.h"

static const struct dp_port_set none;

static struct dp_port_set set(const char *text)
{
	struct dp_port_set s;

	assert_int_equal(dp_port_set_parse(text, &s), 0);
	return s;
}

static void expect_set(const struct dp_port_set *s, const char *text)
{
	char out[256];

	assert_true(dp_port_set_format(s, out, sizeof(out)) >= 0);
	assert_string_equal(out, text);
}

static int make_file(void **state)
{
	char *path = strdup("/tmp/tp-reserved-XXXXXX");
	int fd = mkstemp(path);

	*state = path;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	int rc = unlink(*state);

	free(*state);
	return rc;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void expect_file(const char *path, const char *text)
{
	struct dp_port_set s;

	assert_int_equal(dp_reserved_ports_read(path, &s), 0);
	expect_set(&s, text);
}

static void only_what_others_do_not_reserve_is_added(void **state)
{
	struct dp_port_set current = set("80,50010-50020"), added;

	dp_reserved_ports_plan(&current, &none, 50000, 50030, &added);
	expect_set(&added, "50000-50009,50021-50030");
}

static void leftovers_of_a_crash_are_not_foreign(void **state)
{
	struct dp_port_set current = set("80,50000-50030"), left = set("50000-50009,50021-50030");
	struct dp_port_set added;

	dp_reserved_ports_plan(&current, &left, 50000, 50040, &added);
	expect_set(&added, "50000-50009,50021-50040");
}

static void additions_of_others_meanwhile_stay(void **state)
{
	struct dp_port_set ours = set("50000-60000");

	put(*state, "80\n");
	assert_int_equal(dp_reserved_ports_change(*state, &none, &ours), 0);
	expect_file(*state, "80,50000-60000");
	put(*state, "80,90,50000-60000\n");
	assert_int_equal(dp_reserved_ports_change(*state, &ours, &none), 0);
	expect_file(*state, "80,90");
}

static void a_range_that_moved_leaves_nothing_of_the_old_one(void **state)
{
	struct dp_port_set left = set("50000-60000"), added;
	struct dp_port_set current = set("80,50000-60000");

	put(*state, "80,50000-60000\n");
	dp_reserved_ports_plan(&current, &left, 40000, 40010, &added);
	assert_int_equal(dp_reserved_ports_change(*state, &left, &added), 0);
	expect_file(*state, "80,40000-40010");
}

static void the_empty_list_can_be_written(void **state)
{
	struct dp_port_set ours = set("1-5");

	put(*state, "1-5\n");
	assert_int_equal(dp_reserved_ports_change(*state, &ours, &none), 0);
	expect_file(*state, "");
}

static void a_missing_file_is_an_error(void **state)
{
	assert_int_equal(dp_reserved_ports_change("/nonexistent/ports", &none, &none), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_others_do_not_reserve_is_added),
		cmocka_unit_test(leftovers_of_a_crash_are_not_foreign),
		cmocka_unit_test_setup_teardown(
			additions_of_others_meanwhile_stay, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			a_range_that_moved_leaves_nothing_of_the_old_one, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			the_empty_list_can_be_written, make_file, remove_file),
		cmocka_unit_test(a_missing_file_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
