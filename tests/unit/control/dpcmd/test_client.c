// SPDX-License-Identifier: BSD-3-Clause
#include "attach_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/abi/sizes.h"
#include "control/dpcmd/client.h"

// A dataplane that the test plays by hand, in the same thread.
struct world {
	struct event_base *base;
	char directory[32], path[64];
	int listener, connection;
	struct ctl_dataplane *client;
	struct ctl_attachment attachment;
	unsigned int attached, detached;
	int answer; // of the attached callback
};

static int on_attached(void *context, struct ctl_attachment *attachment)
{
	struct world *w = context;

	if (w->answer)
		return w->answer;
	w->attachment = *attachment;
	w->attached++;
	return 0;
}

static void on_detached(void *context)
{
	struct world *w = context;

	w->detached++;
	ctl_attachment_close(&w->attachment);
}

static void listen_on(struct world *w)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	unlink(w->path);
	strcpy(sa.sun_path, w->path);
	w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(w->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(w->listener, 4), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct ctl_dataplane_options options = {
		.attached = on_attached, .detached = on_detached, .context = w};

	strcpy(w->directory, "/tmp/tp-client-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	snprintf(w->path, sizeof(w->path), "%s/dataplane.sock", w->directory);
	w->base = event_base_new();
	w->connection = -1;
	listen_on(w);
	options.base = w->base;
	options.path = w->path;
	assert_int_equal(ctl_dataplane_create(&options, &w->client), 0);
	*state = w;
	return 0;
}

static void hang_up(struct world *w)
{
	if (w->connection >= 0)
		close(w->connection);
	w->connection = -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	ctl_dataplane_destroy(w->client);
	if (w->attached > w->detached)
		ctl_attachment_close(&w->attachment);
	event_base_free(w->base);
	close(w->listener);
	hang_up(w);
	unlink(w->path);
	rmdir(w->directory);
	free(w);
	return 0;
}

static void accept_hello(struct world *w)
{
	struct tp_hello hello;
	uint32_t sizes[TP_SIZES];

	w->connection = accept(w->listener, NULL, NULL);
	assert_true(w->connection >= 0);
	assert_int_equal(tp_message_receive(w->connection, &hello, sizeof(hello), NULL, 0, NULL),
		sizeof(hello));
	assert_int_equal(hello.header.type, TP_MSG_HELLO);
	assert_int_equal(hello.role, TP_ROLE_CONTROL);
	assert_int_equal(hello.pid, getpid());
	tp_sizes_fill(sizes);
	assert_memory_equal(hello.sizes, sizes, sizeof(sizes));
}

static void attach(struct world *w)
{
	struct attach_fixture f;

	fixture_init(&f, 1);
	assert_int_equal(
		tp_message_send(w->connection, &f.message, sizeof(f.message), f.fds, f.n_fds), 0);
	for (size_t i = 0; i < f.n_fds; i++)
		close(f.fds[i]);
	event_base_loop(w->base, EVLOOP_ONCE);
	fixture_fini(&f);
}

static void attaches(void **state)
{
	struct world *w = *state;

	assert_int_equal(ctl_dataplane_state(w->client), CTL_DATAPLANE_GREETING);
	accept_hello(w);
	attach(w);
	assert_int_equal(w->attached, 1);
	assert_int_equal(ctl_dataplane_state(w->client), CTL_DATAPLANE_ATTACHED);
}

static void comes_back_after_the_end(void **state)
{
	struct world *w = *state;

	accept_hello(w);
	attach(w);
	hang_up(w);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(w->detached, 1);
	assert_int_equal(ctl_dataplane_state(w->client), CTL_DATAPLANE_AWAY);
	event_base_loop(w->base, EVLOOP_ONCE); // the pause
	accept_hello(w);
	attach(w);
	assert_int_equal(w->attached, 2);
}

static void waits_for_a_dataplane_that_is_not_there(void **state)
{
	struct world *w = *state;

	close(w->listener);
	event_base_loop(w->base, EVLOOP_ONCE); // the end of the unaccepted connection
	event_base_loop(w->base, EVLOOP_ONCE); // one vain try
	assert_int_equal(ctl_dataplane_state(w->client), CTL_DATAPLANE_AWAY);
	listen_on(w);
	event_base_loop(w->base, EVLOOP_ONCE);
	accept_hello(w);
	attach(w);
	assert_int_equal(w->attached, 1);
}

static void a_refusal_is_a_state_and_tried_again(void **state)
{
	struct world *w = *state;
	struct tp_refused refused = {.header = {.magic = TP_ABI_MAGIC,
					     .major = TP_ABI_MAJOR,
					     .type = TP_MSG_REFUSED,
					     .length_bytes = sizeof(refused)},
		.reason = TP_REFUSED_BUSY,
		.detail = 1};

	accept_hello(w);
	assert_int_equal(tp_message_send(w->connection, &refused, sizeof(refused), NULL, 0), 0);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(ctl_dataplane_state(w->client), CTL_DATAPLANE_REFUSED);
	hang_up(w);
	event_base_loop(w->base, EVLOOP_ONCE);
	accept_hello(w);
	attach(w);
	assert_int_equal(w->attached, 1);
}

static void ends_on_hostile_messages(void **state)
{
	struct world *w = *state;
	struct tp_status_reply reply = {.header = {.magic = TP_ABI_MAGIC,
						.major = TP_ABI_MAJOR,
						.type = TP_MSG_STATUS_REPLY,
						.length_bytes = sizeof(reply)}};
	static const uint8_t garbage[40] = {1, 2, 3};
	const struct {
		const void *bytes;
		size_t length;
	} hostile[] = {{garbage, 1}, {garbage, sizeof(garbage)}, {&reply, sizeof(reply)},
		{&reply, sizeof(struct tp_message_header)}};

	for (size_t i = 0; i < 4; i++) {
		accept_hello(w);
		assert_int_equal(tp_message_send(w->connection, hostile[i].bytes, hostile[i].length,
					 NULL, 0),
			0);
		event_base_loop(w->base, EVLOOP_ONCE);
		assert_int_equal(ctl_dataplane_state(w->client), CTL_DATAPLANE_AWAY);
		hang_up(w);
		event_base_loop(w->base, EVLOOP_ONCE);
	}
	assert_int_equal(w->attached, 0);
}

static void an_attachment_that_does_not_work_is_ended(void **state)
{
	struct world *w = *state;

	w->answer = -EINVAL;
	accept_hello(w);
	attach(w);
	assert_int_equal(w->attached, 0);
	assert_int_equal(w->detached, 0);
	assert_int_equal(ctl_dataplane_state(w->client), CTL_DATAPLANE_AWAY);
}

struct answers {
	unsigned int n, empty;
	uint32_t pid;
};

static void on_status(void *context, const struct tp_status_reply *reply)
{
	struct answers *a = context;

	a->n++;
	a->empty += reply == NULL;
	a->pid = reply ? reply->pid : 0;
}

static void status_is_asked_and_answered(void **state)
{
	struct world *w = *state;
	struct tp_status_reply reply = {.header = {.magic = TP_ABI_MAGIC,
						.major = TP_ABI_MAJOR,
						.type = TP_MSG_STATUS_REPLY,
						.length_bytes = sizeof(reply)},
		.pid = 4711};
	struct tp_message_header question;
	struct answers a = {0};

	ctl_dataplane_status(w->client, on_status, &a); // not attached yet
	assert_int_equal(a.empty, 1);
	accept_hello(w);
	attach(w);
	ctl_dataplane_status(w->client, on_status, &a);
	assert_int_equal(
		tp_message_receive(w->connection, &question, sizeof(question), NULL, 0, NULL),
		sizeof(question));
	assert_int_equal(question.type, TP_MSG_STATUS);
	assert_int_equal(tp_message_send(w->connection, &reply, sizeof(reply), NULL, 0), 0);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(a.n, 2);
	assert_int_equal(a.empty, 1);
	assert_int_equal(a.pid, 4711);
}

// A late answer must not be taken for that of the next question.
static void a_late_status_reply_answers_nobody_else(void **state)
{
	struct world *w = *state;
	struct tp_status_reply reply = {.header = {.magic = TP_ABI_MAGIC,
						.major = TP_ABI_MAJOR,
						.type = TP_MSG_STATUS_REPLY,
						.length_bytes = sizeof(reply)},
		.pid = 1};
	struct answers first = {0}, second = {0};

	accept_hello(w);
	attach(w);
	ctl_dataplane_status(w->client, on_status, &first);
	event_base_loop(w->base, EVLOOP_ONCE); // its second passes
	assert_int_equal(first.empty, 1);
	ctl_dataplane_status(w->client, on_status, &second);
	assert_int_equal(tp_message_send(w->connection, &reply, sizeof(reply), NULL, 0), 0);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(first.n, 1);
	assert_int_equal(second.n, 0);
	reply.pid = 2;
	assert_int_equal(tp_message_send(w->connection, &reply, sizeof(reply), NULL, 0), 0);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(second.pid, 2);
}

// However many ask at once, one question is on the wire, and nobody gets a reply to a question that
// was sent before his own.
static void questions_are_shared_but_never_answered_too_early(void **state)
{
	struct world *w = *state;
	struct tp_status_reply reply = {.header = {.magic = TP_ABI_MAGIC,
						.major = TP_ABI_MAJOR,
						.type = TP_MSG_STATUS_REPLY,
						.length_bytes = sizeof(reply)},
		.pid = 1};
	struct tp_message_header question;
	struct answers first = {0}, later = {0};

	accept_hello(w);
	attach(w);
	ctl_dataplane_status(w->client, on_status, &first);
	for (int i = 0; i < 500; i++)
		ctl_dataplane_status(w->client, on_status, &later);
	assert_int_equal(
		tp_message_receive(w->connection, &question, sizeof(question), NULL, 0, NULL),
		sizeof(question));
	assert_int_equal(recv(w->connection, &question, sizeof(question), MSG_DONTWAIT), -1);
	assert_int_equal(tp_message_send(w->connection, &reply, sizeof(reply), NULL, 0), 0);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(first.n, 1);
	assert_int_equal(later.n, 0);
	assert_int_equal(
		tp_message_receive(w->connection, &question, sizeof(question), NULL, 0, NULL),
		sizeof(question));
	reply.pid = 2;
	assert_int_equal(tp_message_send(w->connection, &reply, sizeof(reply), NULL, 0), 0);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(later.n, 500);
	assert_int_equal(later.empty, 0);
	assert_int_equal(later.pid, 2);
}

static void waiters_are_answered_when_the_dataplane_ends(void **state)
{
	struct world *w = *state;
	struct answers a = {0};

	accept_hello(w);
	attach(w);
	ctl_dataplane_status(w->client, on_status, &a);
	hang_up(w);
	event_base_loop(w->base, EVLOOP_ONCE);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.empty, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attaches),
		TEST(comes_back_after_the_end),
		TEST(waits_for_a_dataplane_that_is_not_there),
		TEST(a_refusal_is_a_state_and_tried_again),
		TEST(ends_on_hostile_messages),
		TEST(an_attachment_that_does_not_work_is_ended),
		TEST(status_is_asked_and_answered),
		TEST(a_late_status_reply_answers_nobody_else),
		TEST(questions_are_shared_but_never_answered_too_early),
		TEST(waiters_are_answered_when_the_dataplane_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
