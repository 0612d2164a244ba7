// SPDX-License-Identifier: BSD-3-Clause
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/listen_fds.h"

static void test_only_what_is_meant_for_us_counts(void **state)
{
	assert_int_equal(tp_listen_fds_count("42", "2", 42), 2);
	assert_int_equal(tp_listen_fds_count("42", "0", 42), 0);
	assert_int_equal(tp_listen_fds_count("41", "2", 42), 0);
	assert_int_equal(tp_listen_fds_count(NULL, "2", 42), 0);
	assert_int_equal(tp_listen_fds_count("42", NULL, 42), 0);
}

static void test_nonsense_counts_as_none(void **state)
{
	static const char *const bad[] = {"", " 2", "+2", "-1", "2 ", "2x", "0x2", "two",
		"99999999999999999999", "65", "18446744073709551615"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(tp_listen_fds_count("42", bad[i], 42), 0);
	assert_int_equal(tp_listen_fds_count("4294967338", "2", 42), 0); // 42 in 32 bits
	assert_int_equal(tp_listen_fds_count("42x", "2", 42), 0);
}

static void test_names_are_found_whole(void **state)
{
	assert_int_equal(tp_listen_fds_find("a:b:c", "a"), 0);
	assert_int_equal(tp_listen_fds_find("a:b:c", "c"), 2);
	assert_int_equal(tp_listen_fds_find("ab:b", "b"), 1);
	assert_int_equal(tp_listen_fds_find("ab:ba", "b"), -1);
	assert_int_equal(tp_listen_fds_find("::b", "b"), 2);
	assert_int_equal(tp_listen_fds_find("", "b"), -1);
	assert_int_equal(tp_listen_fds_find(NULL, "b"), -1);
}

// Three pipes at 3, 4 and 5: the one of the name is ours, the others are closed.
static void test_one_is_taken_and_the_rest_closed(void **state)
{
	char pid[24];
	int pair[2];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_int_equal(pipe(pair), 0);
	for (int fd = 3; fd < 6; fd++)
		if (fd != pair[0] && fd != pair[1])
			assert_int_equal(dup2(pair[0], fd), fd);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", "first:wanted:last", 1);
	assert_int_equal(tp_listen_fds_take("wanted"), 4);
	assert_int_equal(fcntl(4, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(3, F_GETFD), -1);
	assert_int_equal(fcntl(5, F_GETFD), -1);
	assert_null(getenv("LISTEN_FDS"));
	assert_int_equal(tp_listen_fds_take("wanted"), 0);
	close(4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_meant_for_us_counts),
		cmocka_unit_test(test_nonsense_counts_as_none),
		cmocka_unit_test(test_names_are_found_whole),
		cmocka_unit_test(test_one_is_taken_and_the_rest_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
