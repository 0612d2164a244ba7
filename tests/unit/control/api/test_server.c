// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/api/server.h"

#define MAX_HELD 64

// `status` answers at once, `stats` when the test says so, `help` with a lot.
struct world {
	struct event_base *base;
	struct ctl_api *api;
	char directory[32], path[64];
	struct ctl_call *held[MAX_HELD];
	unsigned int n_held, runs;
};

static void run_at_once(void *context, struct ctl_call *call, const json_t *params)
{
	struct world *w = context;

	w->runs++;
	ctl_call_reply(call, json_string("done"));
}

static void run_held(void *context, struct ctl_call *call, const json_t *params)
{
	struct world *w = context;

	w->runs++;
	assert_true(w->n_held < MAX_HELD);
	w->held[w->n_held++] = call;
}

static void run_long(void *context, struct ctl_call *call, const json_t *params)
{
	struct world *w = context;
	char *text = malloc(64 * 1024 + 1);

	w->runs++;
	memset(text, 'x', 64 * 1024);
	text[64 * 1024] = '\0';
	ctl_call_reply(call, json_string(text));
	free(text);
}

static const ctl_operation_fn run[CTL_OPERATIONS] = {
	[CTL_OP_STATUS] = run_at_once, [CTL_OP_STATS] = run_held, [CTL_OP_HELP] = run_long};

static int setup_with(void **state, struct timeval idle_timeout)
{
	struct world *w = calloc(1, sizeof(*w));
	struct ctl_api_options options = {.run = run,
		.context = w,
		.write_timeout = {.tv_sec = 60},
		.idle_timeout = idle_timeout};

	strcpy(w->directory, "/tmp/tp-api-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	snprintf(w->path, sizeof(w->path), "%s/control.sock", w->directory);
	w->base = event_base_new();
	options.base = w->base;
	options.path = w->path;
	assert_int_equal(ctl_api_create(&options, &w->api), 0);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, (struct timeval){.tv_sec = 3600});
}

// Whoever is silent has been so for long enough.
static int setup_impatient(void **state)
{
	return setup_with(state, (struct timeval){.tv_usec = 1});
}

static int teardown(void **state)
{
	struct world *w = *state;

	ctl_api_destroy(w->api);
	event_base_free(w->base);
	assert_int_equal(access(w->path, F_OK), -1); // it took its socket away
	assert_int_equal(rmdir(w->directory), 0);
	free(w);
	return 0;
}

static void turn_over(struct world *w)
{
	for (int i = 0; i < 20; i++)
		event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static int dial_only(struct world *w)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, w->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static int dial(struct world *w)
{
	int fd = dial_only(w);

	turn_over(w);
	return fd;
}

static void say(struct world *w, int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
		turn_over(w);
	}
	turn_over(w);
}

// What has come so far; -1 at the end of the connection with nothing left.
static ssize_t hear(struct world *w, int fd, char *out, size_t capacity)
{
	size_t at = 0;
	ssize_t n;

	while (at + 1 < capacity && (n = recv(fd, out + at, capacity - at - 1, 0)) > 0) {
		at += (size_t)n;
		turn_over(w);
	}
	out[at] = '\0';
	return at == 0 && n == 0 ? -1 : (ssize_t)at;
}

static unsigned int lines(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

#define STATUS "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n"
#define STATS  "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"stats\"}\n"
#define HELP   "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"help\"}\n"

static void the_socket_is_for_owner_and_group(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void answers_a_line(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char text[256];

	say(w, fd, STATUS);
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	assert_string_equal(text, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"done\"}\n");
	close(fd);
}

static void a_line_may_come_in_pieces(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char text[256];

	for (const char *p = STATUS; *p; p++) {
		const char piece[2] = {*p, '\0'};
		assert_int_equal(w->runs, 0);
		say(w, fd, piece);
	}
	assert_int_equal(w->runs, 1);
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	close(fd);
}

static void several_lines_at_once_and_blank_ones(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char text[1024];

	say(w, fd, "\n" STATUS "  \r\n" STATUS "garbage\n" STATUS);
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	assert_int_equal(lines(text), 4);
	assert_int_equal(w->runs, 3);
	close(fd);
}

static void a_huge_line_ends_the_connection(void **state)
{
	struct world *w = *state;
	char *huge = malloc(200001), text[1024];
	int fd = dial(w);

	memset(huge, 'a', 200000);
	huge[200000] = '\0';
	say(w, fd, huge);
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "65536"));
	assert_int_equal(lines(text), 1);
	turn_over(w);
	assert_true(hear(w, fd, text, sizeof(text)) <= 0);
	free(huge);
	close(fd);
}

static void the_longest_line_is_taken(void **state)
{
	struct world *w = *state;
	char *line = malloc(CTL_RPC_LINE_BYTES + 1), text[1024];
	int fd = dial(w);

	memset(line, ' ', CTL_RPC_LINE_BYTES);
	memcpy(line, STATUS, strlen(STATUS) - 1);
	line[CTL_RPC_LINE_BYTES - 1] = '\n';
	line[CTL_RPC_LINE_BYTES] = '\0';
	say(w, fd, line);
	assert_int_equal(w->runs, 1);
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	free(line);
	close(fd);
}

static void answers_after_the_client_stopped_sending(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char text[256];

	say(w, fd, STATS);
	shutdown(fd, SHUT_WR);
	turn_over(w);
	assert_int_equal(w->n_held, 1);
	ctl_call_reply(w->held[0], json_integer(5));
	turn_over(w);
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "\"result\":5"));
	turn_over(w);
	assert_int_equal(hear(w, fd, text, sizeof(text)), -1);
	close(fd);
}

static void a_client_may_leave_before_its_answer(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	say(w, fd, STATS STATS);
	assert_int_equal(w->n_held, 2);
	close(fd);
	turn_over(w);
	ctl_call_reply(w->held[0], json_integer(5));
	ctl_call_fail(w->held[1], CTL_RPC_NOT_FOUND, "gone");
	turn_over(w);
}

static void a_notification_is_run_and_not_answered(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char text[256];

	say(w, fd, "{\"jsonrpc\":\"2.0\",\"method\":\"status\"}\n");
	assert_int_equal(w->runs, 1);
	assert_int_equal(hear(w, fd, text, sizeof(text)), 0);
	close(fd);
}

static void requests_under_way_are_bounded(void **state)
{
	struct world *w = *state;
	int fd = dial(w);
	char text[4096];

	for (int i = 0; i < 40; i++)
		say(w, fd, STATS);
	assert_int_equal(w->n_held, CTL_API_MAX_UNDER_WAY);
	for (int i = 0; i < 40; i++) {
		assert_true((unsigned int)i < w->n_held);
		ctl_call_reply(w->held[i], json_null());
		turn_over(w);
	}
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	assert_int_equal(lines(text), 40);
	close(fd);
}

// Answers of 64 KiB each, and nobody reads them.
static void unread_answers_are_bounded(void **state)
{
	struct world *w = *state;
	char *text = malloc(65536);
	int fd = dial(w);
	unsigned int got = 0, before;
	ssize_t n;

	for (int i = 0; i < 100; i++)
		say(w, fd, HELP);
	before = w->runs;
	assert_true(before < 40);
	// Reading lets the rest come, and nothing is lost.
	while (got < 100 && (n = hear(w, fd, text, 65536)) >= 0) {
		got += lines(text);
		turn_over(w);
	}
	assert_int_equal(got, 100);
	assert_int_equal(w->runs, 100);
	free(text);
	close(fd);
}

static void one_client_too_many_is_told_so(void **state)
{
	struct world *w = *state;
	int fds[CTL_API_MAX_CLIENTS + 1];
	char text[256];

	for (int i = 0; i <= CTL_API_MAX_CLIENTS; i++) {
		fds[i] = dial(w);
		if (i < CTL_API_MAX_CLIENTS)
			say(w, fds[i], STATS);
	}
	assert_int_equal(w->n_held, CTL_API_MAX_CLIENTS);
	assert_true(hear(w, fds[CTL_API_MAX_CLIENTS], text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "too many clients"));
	close(fds[0]);
	close(fds[CTL_API_MAX_CLIENTS]);
	for (int i = 0; i < CTL_API_MAX_CLIENTS; i++)
		ctl_call_reply(w->held[i], json_null());
	turn_over(w);
	fds[0] = dial(w); // a place is free again
	say(w, fds[0], STATUS);
	assert_true(hear(w, fds[0], text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "done"));
	for (int i = 0; i < CTL_API_MAX_CLIENTS; i++)
		close(fds[i]);
	turn_over(w);
}

static void the_longest_silent_client_makes_room(void **state)
{
	struct world *w = *state;
	int fds[CTL_API_MAX_CLIENTS + 1];
	char text[256];

	for (int i = 0; i < CTL_API_MAX_CLIENTS; i++)
		fds[i] = dial(w);
	say(w, fds[0], STATS);  // waits for its answer
	say(w, fds[1], STATUS); // the youngest but for the answer
	fds[CTL_API_MAX_CLIENTS] = dial(w);
	say(w, fds[CTL_API_MAX_CLIENTS], STATUS);
	assert_true(hear(w, fds[CTL_API_MAX_CLIENTS], text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "done"));
	assert_int_equal(hear(w, fds[0], text, sizeof(text)), 0);
	assert_true(hear(w, fds[1], text, sizeof(text)) > 0);
	assert_int_equal(hear(w, fds[2], text, sizeof(text)), -1);
	for (int i = 3; i < CTL_API_MAX_CLIENTS; i++)
		assert_int_equal(hear(w, fds[i], text, sizeof(text)), 0);
	ctl_call_reply(w->held[0], json_null());
	for (int i = 0; i <= CTL_API_MAX_CLIENTS; i++)
		close(fds[i]);
	turn_over(w);
}

// Turns the loop until its clock, a coarse one, has moved on.
static bool ends(struct world *w, int fd)
{
	char text[256];
	ssize_t n = 0;

	for (int i = 0; i < 1000000 && n == 0; i++) {
		turn_over(w);
		n = hear(w, fd, text, sizeof(text));
	}
	return n == -1;
}

static void a_silent_client_is_closed(void **state)
{
	struct world *w = *state;
	int fd = dial(w);

	assert_true(ends(w, fd));
	close(fd);
}

static void a_client_that_waits_for_its_answer_is_not(void **state)
{
	struct world *w = *state;
	int fd = dial_only(w);
	char text[256];

	assert_int_equal(send(fd, STATS, strlen(STATS), 0), strlen(STATS));
	turn_over(w);
	assert_int_equal(w->n_held, 1);
	for (int i = 0; i < 5; i++)
		event_base_loop(w->base, EVLOOP_ONCE); // its timer
	assert_int_equal(hear(w, fd, text, sizeof(text)), 0);
	ctl_call_reply(w->held[0], json_integer(5));
	turn_over(w);
	assert_true(hear(w, fd, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "\"result\":5"));
	assert_true(ends(w, fd));
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_socket_is_for_owner_and_group),
		TEST(answers_a_line),
		TEST(a_line_may_come_in_pieces),
		TEST(several_lines_at_once_and_blank_ones),
		TEST(a_huge_line_ends_the_connection),
		TEST(the_longest_line_is_taken),
		TEST(answers_after_the_client_stopped_sending),
		TEST(a_client_may_leave_before_its_answer),
		TEST(a_notification_is_run_and_not_answered),
		TEST(requests_under_way_are_bounded),
		TEST(unread_answers_are_bounded),
		TEST(one_client_too_many_is_told_so),
		TEST(the_longest_silent_client_makes_room),
		cmocka_unit_test_setup_teardown(
			a_silent_client_is_closed, setup_impatient, teardown),
		cmocka_unit_test_setup_teardown(
			a_client_that_waits_for_its_answer_is_not, setup_impatient, teardown),
	};

	signal(SIGPIPE, SIG_IGN); // as main does
	return cmocka_run_group_tests(tests, NULL, NULL);
}
