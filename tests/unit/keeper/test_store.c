// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/store.h"

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static void test_the_same_file_is_kept_once(void **state)
{
	struct keeper_store s = {0};
	int fd = memfd_create("test", MFD_CLOEXEC), again = dup(fd), other = dup(fd);

	assert_int_equal(keeper_store_put(&s, fd, "a"), 0);
	assert_int_equal(keeper_store_put(&s, again, "a"), 0);
	assert_int_equal(s.n, 1);
	assert_false(is_open(again));
	assert_int_equal(keeper_store_put(&s, other, "b"), 0);
	assert_int_equal(s.n, 2);
	keeper_store_close(&s);
	assert_false(is_open(fd) || is_open(other));
	assert_int_equal(keeper_store_put(&s, 1000, "a"), -EINVAL);
}

static void test_a_full_store_keeps_what_it_has(void **state)
{
	char names[KEEPER_STORE_NAMES_BYTES], longest[KEEPER_NAME_BYTES];
	struct keeper_store s = {0};
	int first = -1, fd;

	snprintf(longest, sizeof(longest), "%0*d", KEEPER_NAME_BYTES - 1, 0);
	keeper_store_names(&s, names);
	assert_string_equal(names, "");
	for (int i = 0; i < KEEPER_STORE_MAX; i++) {
		fd = memfd_create("test", MFD_CLOEXEC);
		first = i == 0 ? fd : first;
		assert_int_equal(keeper_store_put(&s, fd, longest), 0);
	}
	fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(keeper_store_put(&s, fd, "more"), -ENOSPC);
	assert_false(is_open(fd));
	assert_true(is_open(first));
	keeper_store_names(&s, names);
	assert_int_equal(strlen(names), KEEPER_STORE_NAMES_BYTES - 1);
	keeper_store_close(&s);
}

static void test_all_of_a_name_go(void **state)
{
	static const char *const name[] = {"a", "b", "a"};
	char names[KEEPER_STORE_NAMES_BYTES];
	struct keeper_store s = {0};
	int fds[3];

	for (int i = 0; i < 3; i++) {
		fds[i] = memfd_create("test", MFD_CLOEXEC);
		assert_int_equal(keeper_store_put(&s, fds[i], name[i]), 0);
	}
	keeper_store_names(&s, names);
	assert_string_equal(names, "a:b:a");
	assert_int_equal(keeper_store_remove(&s, "c"), 0);
	assert_int_equal(keeper_store_remove(&s, "a"), 2);
	assert_false(is_open(fds[0]) || is_open(fds[2]));
	assert_true(is_open(fds[1]));
	keeper_store_names(&s, names);
	assert_string_equal(names, "b");
	keeper_store_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_file_is_kept_once),
		cmocka_unit_test(test_a_full_store_keeps_what_it_has),
		cmocka_unit_test(test_all_of_a_name_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
