// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/abi/shm_map.h"

#define BYTES 8192

static int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void created_memory_is_zero_and_shared(void **state)
{
	struct tp_shm a, b;

	assert_int_equal(tp_shm_create("turnpike-test", BYTES, &a), 0);
	assert_int_equal(a.bytes, BYTES);
	for (size_t i = 0; i < BYTES; i++)
		assert_int_equal(((uint8_t *)a.base)[i], 0);
	assert_true(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(tp_shm_open(dup(a.fd), BYTES, &b), 0);
	memset(a.base, 0x5a, BYTES);
	assert_memory_equal(a.base, b.base, BYTES);
	tp_shm_close(&b);
	tp_shm_close(&a);
	assert_null(a.base);
	tp_shm_close(&a); // twice is harmless
	assert_int_equal(tp_shm_create("turnpike-test", 0, &a), -EINVAL);
}

// What the peer holds is a descriptor of the same file, in another process.
static void peer_cannot_resize_or_unseal(void **state)
{
	struct tp_shm shm;
	int status;
	pid_t pid;

	assert_int_equal(tp_shm_create("turnpike-test", BYTES, &shm), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (ftruncate(shm.fd, 0) == 0 || errno != EPERM)
			_exit(1);
		if (ftruncate(shm.fd, 2 * BYTES) == 0 || errno != EPERM)
			_exit(2);
		if (fcntl(shm.fd, F_ADD_SEALS, F_SEAL_WRITE) == 0 || errno != EPERM)
			_exit(3);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	((volatile uint8_t *)shm.base)[BYTES - 1] = 1;
	tp_shm_close(&shm);
}

static void unsealed_is_refused(void **state)
{
	int fd = memfd_create("turnpike-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct tp_shm shm;
	int pipes[2];

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, BYTES), 0);
	assert_int_equal(tp_shm_open(fd, BYTES, &shm), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(tp_shm_open(fd, BYTES, &shm), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(tp_shm_open(fd, BYTES, &shm), 0);
	tp_shm_close(&shm);

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(tp_shm_open(pipes[0], BYTES, &shm), -EPERM);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(tp_shm_open(-1, BYTES, &shm), -EBADF);
}

static void too_small_is_refused_and_stays_the_callers(void **state)
{
	struct tp_shm a, b;

	assert_int_equal(tp_shm_create("turnpike-test", BYTES, &a), 0);
	assert_int_equal(tp_shm_open(a.fd, BYTES + 1, &b), -EINVAL);
	assert_int_equal(tp_shm_open(a.fd, 0, &b), -EINVAL);
	assert_true(fcntl(a.fd, F_GETFD) >= 0);
	tp_shm_close(&a);
}

static void make_pair(int s[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s), 0);
}

static void descriptors_arrive_and_map(void **state)
{
	struct tp_shm mine, theirs;
	int s[2], fds[4];
	char text[32];
	size_t n;

	make_pair(s);
	assert_int_equal(tp_shm_create("turnpike-test", BYTES, &mine), 0);
	memcpy(mine.base, "seen", 5);
	const int sent[2] = {mine.fd, s[0]};
	assert_int_equal(tp_message_send(s[0], "hello", 6, sent, 2), 0);
	assert_int_equal(tp_message_receive(s[1], text, sizeof(text), fds, 4, &n), 6);
	assert_string_equal(text, "hello");
	assert_int_equal(n, 2);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(tp_shm_open(fds[0], BYTES, &theirs), 0);
	assert_string_equal(theirs.base, "seen");
	tp_shm_close(&theirs);
	tp_shm_close(&mine);
	close(fds[1]);
	close(s[0]);
	close(s[1]);
}

static void message_without_descriptors(void **state)
{
	char text[8];
	size_t n = 9;
	int s[2];

	make_pair(s);
	assert_int_equal(tp_message_send(s[0], "a", 2, NULL, 0), 0);
	assert_int_equal(tp_message_send(s[0], "b", 2, NULL, 0), 0);
	assert_int_equal(tp_message_receive(s[1], text, sizeof(text), NULL, 0, &n), 2);
	assert_int_equal(n, 0);
	assert_int_equal(tp_message_receive(s[1], text, sizeof(text), NULL, 0, NULL), 2);
	assert_string_equal(text, "b");
	close(s[0]);
	assert_int_equal(tp_message_receive(s[1], text, sizeof(text), NULL, 0, NULL), 0);
	assert_int_equal(tp_message_send(s[1], "c", 2, NULL, 0), -EPIPE);
	close(s[1]);
}

// More descriptors than the receiver wants, or a longer message: nothing stays open.
static void truncated_message_leaks_no_descriptor(void **state)
{
	int s[2], fds[8], before;
	char text[64] = {0};
	size_t n;

	make_pair(s);
	before = open_fds();
	const int five[5] = {0, 1, 2, 0, 1};
	for (size_t max = 0; max < 5; max++) {
		assert_int_equal(tp_message_send(s[0], text, 4, five, 5), 0);
		n = 7;
		assert_int_equal(tp_message_receive(s[1], text, 64, fds, max, &n), -EMSGSIZE);
		assert_int_equal(n, 0);
		assert_int_equal(open_fds(), before);
	}
	assert_int_equal(tp_message_send(s[0], text, 4, five, 5), 0);
	assert_int_equal(tp_message_receive(s[1], text, 64, NULL, 0, NULL), -EMSGSIZE);
	assert_int_equal(open_fds(), before);
	assert_int_equal(tp_message_send(s[0], text, 64, five, 3), 0);
	assert_int_equal(tp_message_receive(s[1], text, 63, fds, 8, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(open_fds(), before);
	assert_int_equal(tp_message_send(s[0], text, 4, five, 5), 0);
	assert_int_equal(tp_message_receive(s[1], text, 64, fds, 5, &n), 4);
	assert_int_equal(n, 5);
	assert_int_equal(open_fds(), before + 5);
	while (n > 0)
		close(fds[--n]);
	close(s[0]);
	close(s[1]);
}

// The kernel itself cuts the control data (MSG_CTRUNC) beyond what one call can take.
static void kernel_truncated_control_leaks_no_descriptor(void **state)
{
	int s[2], fds[128], many[200], before;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(many))];
	} control = {0};
	struct iovec iov = {.iov_base = (char[]){"x"}, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	size_t n;
	char c;

	make_pair(s);
	before = open_fds();
	for (size_t i = 0; i < 200; i++)
		many[i] = s[0];
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(many));
	memcpy(CMSG_DATA(&control.align), many, sizeof(many));
	assert_int_equal(sendmsg(s[0], &msg, 0), 1);
	assert_int_equal(tp_message_receive(s[1], &c, 1, fds, 128, &n), -EMSGSIZE);
	assert_int_equal(n, 0);
	assert_int_equal(open_fds(), before);
	close(s[0]);
	close(s[1]);
}

static void full_socket_is_eagain(void **state)
{
	char text[4096] = {0};
	int s[2], rc = 0;

	make_pair(s);
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = tp_message_send(s[0], text, sizeof(text), NULL, 0);
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(tp_message_send(s[0], text, 0, NULL, 0), -EINVAL);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(created_memory_is_zero_and_shared),
		cmocka_unit_test(peer_cannot_resize_or_unseal),
		cmocka_unit_test(unsealed_is_refused),
		cmocka_unit_test(too_small_is_refused_and_stays_the_callers),
		cmocka_unit_test(descriptors_arrive_and_map),
		cmocka_unit_test(message_without_descriptors),
		cmocka_unit_test(truncated_message_leaks_no_descriptor),
		cmocka_unit_test(kernel_truncated_control_leaks_no_descriptor),
		cmocka_unit_test(full_socket_is_eagain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
