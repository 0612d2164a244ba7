// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/loop/lock.h"

static int setup(void **state)
{
	char *directory = strdup("/tmp/tp-lock-XXXXXX");

	assert_non_null(mkdtemp(directory));
	*state = directory;
	return 0;
}

static int teardown(void **state)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/control.lock", (char *)*state);
	unlink(path);
	rmdir(*state);
	free(*state);
	return 0;
}

static void a_second_one_is_told_the_holder(void **state)
{
	pid_t holder;
	int first = ctl_lock_take(*state, &holder);

	assert_true(first >= 0);
	assert_int_equal(ctl_lock_take(*state, &holder), -EBUSY);
	assert_int_equal(holder, getpid());
	close(first);
}

static void it_is_free_when_the_holder_ended(void **state)
{
	pid_t holder;
	int fd = ctl_lock_take(*state, &holder);

	close(fd);
	fd = ctl_lock_take(*state, &holder);
	assert_true(fd >= 0);
	close(fd);
}

static void a_missing_directory_is_an_error(void **state)
{
	pid_t holder;

	assert_int_equal(rmdir(*state), 0);
	assert_int_equal(ctl_lock_take(*state, &holder), -ENOENT);
}

static void a_directory_that_cannot_be_is_an_error(void **state)
{
	pid_t holder;

	assert_int_equal(ctl_lock_take("/proc/no/such", &holder), -ENOENT);
	assert_int_equal(ctl_lock_take("/dev/null", &holder), -ENOTDIR);
}

// A symbolic link in its place would let another user aim our write.
static void a_symbolic_link_is_refused(void **state)
{
	char path[64];
	pid_t holder;

	snprintf(path, sizeof(path), "%s/control.lock", (char *)*state);
	assert_int_equal(symlink("/tmp/tp-lock-target", path), 0);
	assert_int_equal(ctl_lock_take(*state, &holder), -ELOOP);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_second_one_is_told_the_holder),
		TEST(it_is_free_when_the_holder_ended),
		TEST(a_missing_directory_is_an_error),
		TEST(a_directory_that_cannot_be_is_an_error),
		TEST(a_symbolic_link_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
