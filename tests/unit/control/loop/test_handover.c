// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/loop/handover.h"
#include "control/loop/takeover.h"

static int setup(void **state)
{
	int *pair = malloc(2 * sizeof(int));
	*state = pair;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair);
}

static int teardown(void **state)
{
	int *pair = *state;
	close(pair[0]);
	close(pair[1]);
	free(pair);
	return 0;
}

static int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct ctl_handover take(uint8_t n_fds)
{
	return (struct ctl_handover){.magic = CTL_HANDOVER_MAGIC,
		.kind = CTL_HANDOVER_TAKE,
		.attached = 1,
		.n_fds = n_fds};
}

static void a_record_and_its_descriptors_arrive(void **state)
{
	const int *pair = *state;
	int before = open_descriptors(), fds[CTL_HANDOVER_FDS];
	struct ctl_handover m = take(3), out;

	memset(m.text, 'x', sizeof(m.text)); // not terminated
	assert_int_equal(ctl_handover_send(pair[0], &m, (int[]){0, 1, pair[0]}), 0);
	assert_int_equal(ctl_handover_receive(pair[1], &out, fds), 0);
	assert_int_equal(out.kind, CTL_HANDOVER_TAKE);
	assert_int_equal(out.attached, 1);
	assert_int_equal(strlen(out.text), sizeof(out.text) - 1);
	assert_int_equal(open_descriptors(), before + 3);
	for (int i = 0; i < 3; i++) {
		assert_true(fds[i] > 2);
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
}

static void what_is_none_of_ours_keeps_nothing_open(void **state)
{
	const int *pair = *state;
	int before = open_descriptors(), fds[CTL_HANDOVER_FDS];
	struct ctl_handover m = take(2), out;

	assert_int_equal(ctl_handover_receive(pair[1], &out, fds), -EAGAIN);
	m.magic++;
	assert_int_equal(ctl_handover_send(pair[0], &m, (int[]){0, 1}), 0);
	assert_int_equal(ctl_handover_receive(pair[1], &out, fds), -EPROTO);
	// Says more descriptors than came, or fewer.
	m = take(0);
	m.n_fds = 2;
	assert_int_equal(send(pair[0], &m, sizeof(m), 0), sizeof(m));
	assert_int_equal(ctl_handover_receive(pair[1], &out, fds), -EPROTO);
	// Too short, and a byte too long.
	char bytes[sizeof(m) + 1] = {0};
	m = take(0);
	memcpy(bytes, &m, sizeof(m));
	assert_int_equal(send(pair[0], bytes, sizeof(m) - 1, 0), sizeof(m) - 1);
	assert_int_equal(ctl_handover_receive(pair[1], &out, fds), -EPROTO);
	assert_int_equal(send(pair[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(ctl_handover_receive(pair[1], &out, fds), -EPROTO);
	assert_int_equal(open_descriptors(), before);
}

static void the_other_side_is_gone(void **state)
{
	int *pair = *state, fds[CTL_HANDOVER_FDS];
	struct ctl_handover m = take(0), out;

	close(pair[0]);
	assert_int_equal(ctl_handover_receive(pair[1], &out, fds), -ECONNRESET);
	assert_int_equal(ctl_handover_send(pair[1], &m, NULL), -EPIPE);
	pair[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void nobody_is_taken_over_from_by_accident(void **state)
{
	struct ctl_takeover t;
	static const char *const values[] = {"", "0", "2", "-1", "99999", "x"};

	unsetenv(CTL_HANDOVER_VARIABLE);
	assert_false(ctl_takeover_asked(&t));
	assert_int_equal(t.link, -1);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		setenv(CTL_HANDOVER_VARIABLE, values[i], 1);
		assert_false(ctl_takeover_asked(&t));
		assert_int_equal(t.link, -1);
		assert_null(getenv(CTL_HANDOVER_VARIABLE));
	}
	ctl_takeover_ready(&t);
	ctl_takeover_ready(NULL);
	ctl_takeover_close(&t);
}

static void the_new_one_takes_what_comes(void **state)
{
	const int *pair = *state;
	int before = open_descriptors(), fds[CTL_HANDOVER_FDS];
	struct ctl_handover m = take(3), out;
	struct ctl_takeover t;
	char text[16], path[] = "/tmp/turnpike-lock-XXXXXX";
	int lock = mkstemp(path), link = fcntl(pair[1], F_DUPFD, 3);

	snprintf(text, sizeof(text), "%d", link);
	setenv(CTL_HANDOVER_VARIABLE, text, 1);
	assert_true(ctl_takeover_asked(&t));
	assert_int_equal(fcntl(link, F_GETFD), FD_CLOEXEC);
	assert_int_equal(ctl_handover_send(pair[0], &m, (int[]){lock, 1, 2}), 0);
	assert_int_equal(ctl_takeover_wait(&t, "/run/x"), 0);
	assert_true(t.attached);
	assert_int_equal(ctl_handover_receive(pair[0], &out, fds), 0);
	assert_int_equal(out.kind, CTL_HANDOVER_HELLO);
	assert_string_equal(out.text, TP_VERSION);
	// The lock names us.
	assert_true(pread(lock, text, sizeof(text) - 1, 0) > 0);
	assert_int_equal(strtol(text, NULL, 10), getpid());
	ctl_takeover_ready(&t);
	assert_int_equal(ctl_handover_receive(pair[0], &out, fds), 0);
	assert_int_equal(out.kind, CTL_HANDOVER_READY);
	ctl_takeover_ready(&t); // once
	assert_int_equal(ctl_handover_receive(pair[0], &out, fds), -EAGAIN);
	ctl_takeover_close(&t);
	close(lock);
	unlink(path);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_record_and_its_descriptors_arrive, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_none_of_ours_keeps_nothing_open, setup, teardown),
		cmocka_unit_test_setup_teardown(the_other_side_is_gone, setup, teardown),
		cmocka_unit_test(nobody_is_taken_over_from_by_accident),
		cmocka_unit_test_setup_teardown(the_new_one_takes_what_comes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
