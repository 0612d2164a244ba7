// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/privilege/run_directory.h"

// Nobody needs to have this number.
static const struct tp_account account = {
	.uid = 64999, .gid = 64998, .change = true, .user = "relay", .group = "relay"};

struct place {
	char top[32], run[64];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (geteuid() != 0) { // only root hands anything over
		free(p);
		return 0;
	}
	strcpy(p->top, "/tmp/tp-run-XXXXXX");
	assert_non_null(mkdtemp(p->top));
	snprintf(p->run, sizeof(p->run), "%s/run", p->top);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	char command[80];

	if (!p)
		return 0;
	snprintf(command, sizeof(command), "rm -r %s", p->top);
	int rc = system(command);
	free(p);
	return rc;
}

static const char *in(const struct place *p, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", p->run, name);
	return path;
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static uid_t owner(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

static void test_missing_one_is_made_and_given(void **state)
{
	struct place *p = *state;
	struct stat st;

	if (!p)
		skip();
	assert_int_equal(tp_run_directory_prepare(p->run, &account), 0);
	assert_int_equal(stat(p->run, &st), 0);
	assert_int_equal(st.st_uid, 64999);
	assert_int_equal(st.st_gid, 64998);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void test_what_root_left_is_given(void **state)
{
	struct place *p = *state;

	if (!p)
		skip();
	mkdir(p->run, 0755);
	touch(in(p, "control.lock"));
	touch(in(p, "steer.state"));
	assert_int_equal(tp_run_directory_prepare(p->run, &account), 0);
	assert_int_equal(owner(p->run), 64999);
	assert_int_equal(owner(in(p, "control.lock")), 64999);
	assert_int_equal(owner(in(p, "steer.state")), 64999);
}

static void test_directory_with_other_files_stays(void **state)
{
	struct place *p = *state;

	if (!p)
		skip();
	mkdir(p->run, 0755);
	touch(in(p, "shadow"));
	touch(in(p, "control.lock"));
	assert_int_equal(tp_run_directory_prepare(p->run, &account), -EACCES);
	assert_int_equal(owner(p->run), 0);
	assert_int_equal(owner(in(p, "control.lock")), 0);
}

static void test_links_are_not_followed(void **state)
{
	struct place *p = *state;
	char target[64];

	if (!p)
		skip();
	snprintf(target, sizeof(target), "%s/target", p->top);
	touch(target);
	mkdir(p->run, 0755);
	assert_int_equal(symlink(target, in(p, "control.lock")), 0);
	assert_int_equal(link(target, in(p, "steer.state")), 0);
	assert_int_equal(tp_run_directory_prepare(p->run, &account), 0);
	assert_int_equal(owner(target), 0);
}

static void test_without_change_only_made(void **state)
{
	struct place *p = *state;
	const struct tp_account same = {0};

	if (!p)
		skip();
	assert_int_equal(tp_run_directory_prepare(p->run, &same), 0);
	assert_int_equal(owner(p->run), 0);
	assert_int_equal(tp_run_directory_prepare("/proc/no/such", &same), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_missing_one_is_made_and_given, make_place, remove_place),
		cmocka_unit_test_setup_teardown(
			test_what_root_left_is_given, make_place, remove_place),
		cmocka_unit_test_setup_teardown(
			test_directory_with_other_files_stays, make_place, remove_place),
		cmocka_unit_test_setup_teardown(
			test_links_are_not_followed, make_place, remove_place),
		cmocka_unit_test_setup_teardown(
			test_without_change_only_made, make_place, remove_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
