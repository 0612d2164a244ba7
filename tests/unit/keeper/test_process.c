// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/process.h"

static char path[64];

static int setup(void **state)
{
	strcpy(path, "/tmp/tp-keeper-XXXXXX");
	int fd = mkstemp(path);
	close(fd);
	return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	return unlink(path);
}

// A child that holds the lock, with this text in the file, until it is killed.
static pid_t holder(const char *text)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		int fd = open(path, O_RDWR | O_TRUNC);
		if (fd < 0 || flock(fd, LOCK_EX) < 0)
			_exit(1);
		if (text)
			dprintf(fd, "%s", text);
		else
			dprintf(fd, "%d\n", (int)getpid());
		_exit(write(ready[1], "", 1) == 1 ? pause() : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_who_holds_the_lock_is_found(void **state)
{
	assert_int_equal(keeper_process_find("/nonexistent/lock", getuid()), 0);
	assert_int_equal(keeper_process_find(path, getuid()), 0);
	pid_t pid = holder(NULL);
	assert_int_equal(keeper_process_find(path, getuid()), pid);
	assert_int_equal(keeper_process_find(path, getuid() + 1), -EACCES);
	end(pid);
	assert_int_equal(keeper_process_find(path, getuid()), 0); // its pid is still in the file
}

static void test_what_a_lock_says_is_not_believed(void **state)
{
	static const char *const nonsense[] = {
		"", "0\n", "1\n", "-5\n", "nobody\n", "999999999\n", "99999999999999999999999"};
	char self[24];

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		pid_t pid = holder(nonsense[i]);
		assert_int_equal(keeper_process_find(path, getuid()), -EACCES);
		end(pid);
	}
	snprintf(self, sizeof(self), "%d\n", (int)getpid());
	pid_t pid = holder(self); // we do not look after ourselves
	assert_int_equal(keeper_process_find(path, getuid()), -EACCES);
	end(pid);
}

static void test_a_lock_that_is_no_file(void **state)
{
	char other[80];

	snprintf(other, sizeof(other), "%s.link", path);
	assert_int_equal(symlink(path, other), 0);
	assert_int_equal(keeper_process_find(other, getuid()), -ELOOP);
	unlink(other);
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_int_equal(keeper_process_find(other, getuid()), -EACCES);
	unlink(other);
}

// What the program finds: its variables, and what is kept at 3 and 4.
static void test_a_program_gets_what_is_kept(void **state)
{
	static const char script[] = "#!/bin/sh\n"
				     "[ \"$LISTEN_PID\" = $$ ] || exit 11\n"
				     "[ \"$LISTEN_FDS $LISTEN_FDNAMES\" = '2 a:b' ] || exit 12\n"
				     "[ \"$NOTIFY_SOCKET\" = /some/socket ] || exit 13\n"
				     "[ \"$1 $2\" = '-c /some/file' ] || exit 14\n"
				     "[ \"$(cat <&3) $(cat <&4)\" = 'one two' ] || exit 15\n"
				     "[ -z \"$WATCHDOG_USEC\" ] || exit 16\n";
	struct keeper_store store = {0};
	struct keeper_start start = {.program = path,
		.configuration = "/some/file",
		.notify_path = "/some/socket",
		.store = &store};
	static const char *const text[] = {"one", "two"};
	int status, fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(write(fd, script, strlen(script)), strlen(script));
	fchmod(fd, 0700);
	close(fd);
	setenv("WATCHDOG_USEC", "1", 1);
	for (int i = 0; i < 2; i++) {
		fd = memfd_create("test", MFD_CLOEXEC);
		assert_int_equal(write(fd, text[i], 3), 3);
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(keeper_store_put(&store, fd, i ? "b" : "a"), 0);
	}
	pid_t pid = keeper_process_start(&start);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	keeper_store_close(&store);
}

static void test_a_program_that_is_not_there(void **state)
{
	struct keeper_store store = {0};
	struct keeper_start start = {.program = "/nonexistent/program",
		.configuration = "f",
		.notify_path = "s",
		.store = &store};
	char text[KEEPER_END_BYTES];
	int status;
	pid_t pid = keeper_process_start(&start);

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_string_equal(keeper_process_end(status, text), "exit code 127");
	assert_string_equal(keeper_process_end(SIGKILL, text), "signal 9 (Killed)");
	assert_string_equal(keeper_process_end(-1, text), "not our child, no exit code");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_who_holds_the_lock_is_found),
		TEST(test_what_a_lock_says_is_not_believed),
		TEST(test_a_lock_that_is_no_file),
		TEST(test_a_program_gets_what_is_kept),
		TEST(test_a_program_that_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
