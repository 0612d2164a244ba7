// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/notify.h"

static int listen_on(const char *name, size_t length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, length);
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
		0);
	return fd;
}

static void expect_ready(int fd)
{
	char text[32] = "";

	assert_int_equal(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT), 7);
	assert_string_equal(text, "READY=1");
	close(fd);
}

static void test_a_socket_file_gets_the_state(void **state)
{
	char directory[] = "/tmp/tp-notify-XXXXXX", path[64];
	int fd;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	fd = listen_on(path, strlen(path));
	setenv("NOTIFY_SOCKET", path, 1);
	tp_notify_service_manager("READY=1");
	expect_ready(fd);
	unlink(path);
	rmdir(directory);
}

static void test_an_abstract_socket_gets_the_state(void **state)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@tp-notify-%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	fd = listen_on(name, 1 + strlen(name + 1));
	tp_notify_service_manager("READY=1");
	expect_ready(fd);
}

static void test_no_usable_name_is_no_harm(void **state)
{
	char longer[300];

	memset(longer, '/', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	unsetenv("NOTIFY_SOCKET");
	tp_notify_service_manager("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	tp_notify_service_manager("READY=1");
	setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
	tp_notify_service_manager("READY=1");
	setenv("NOTIFY_SOCKET", longer, 1);
	tp_notify_service_manager("READY=1");
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	tp_notify_service_manager("READY=1");
}

// A descriptor arrives as another one of the same file.
static void test_a_descriptor_travels_with_the_state(void **state)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char name[64], text[64] = "", byte = 0;
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text) - 1};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int pair[2], got, sock;

	snprintf(name, sizeof(name), "@tp-notify-fd-%d", (int)getpid());
	setenv("NOTIFY_SOCKET", name, 1);
	name[0] = '\0';
	sock = listen_on(name, 1 + strlen(name + 1));
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(tp_notify_descriptor("FDSTORE=1", pair[0], 1000), 0);
	close(pair[0]);
	assert_int_equal(recvmsg(sock, &msg, MSG_DONTWAIT), 9);
	assert_string_equal(text, "FDSTORE=1");
	assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&got, CMSG_DATA(&control.header), sizeof(got));
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(read(got, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(got);
	close(pair[1]);
	close(sock);
	assert_int_equal(tp_notify_descriptor("FDSTORE=1", -1, 0), -ECONNREFUSED);
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(tp_notify_descriptor("FDSTORE=1", -1, 0), -ENOTCONN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_socket_file_gets_the_state),
		cmocka_unit_test(test_an_abstract_socket_gets_the_state),
		cmocka_unit_test(test_a_descriptor_travels_with_the_state),
		cmocka_unit_test(test_no_usable_name_is_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
