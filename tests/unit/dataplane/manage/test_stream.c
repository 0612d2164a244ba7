// SPDX-License-Identifier: BSD-3-Clause
// Stream processes at dataplane.sock (common/abi/stream.h): greeting, refusals, rings, detachment.
#include <sys/resource.h>

#include "common/abi/stream.h"
#include "dataplane/manage/manage_impl.h"
#include "tests/unit/dataplane/manage/fixture.h"

static struct tp_stream_hello stream_hello(uint32_t stream)
{
	struct tp_stream_hello hello = {.hello = hello_of(TP_ROLE_STREAM), .stream = stream};

	hello.hello.header.length_bytes = sizeof(hello);
	return hello;
}

static int dial_stream(uint32_t stream)
{
	struct tp_stream_hello hello = stream_hello(stream);
	int fd = dial();

	say(fd, &hello, sizeof(hello));
	return fd;
}

struct stream {
	struct tp_stream_attached message;
	int fd, fds[TP_STREAM_ATTACHED_MAX_FDS];
	size_t n_fds;
	struct tp_shm rings;
	struct tp_ring up, down;
};

static void stream_attach(struct stream *s, uint32_t number)
{
	s->fd = dial_stream(number);
	ssize_t length = tp_message_receive(s->fd, &s->message, sizeof(s->message), s->fds,
		TP_STREAM_ATTACHED_MAX_FDS, &s->n_fds);
	assert_int_equal(length, sizeof(s->message));
	assert_int_equal(s->message.header.type, TP_MSG_STREAM_ATTACHED);
	assert_int_equal(s->message.header.length_bytes, sizeof(s->message));
	assert_int_equal(s->message.workers, 1);
	assert_int_equal(s->message.rings, 2);
	assert_int_equal(s->message.instance, 0x1234);
	assert_int_equal(s->n_fds, 3);
	assert_int_equal(tp_shm_open(s->fds[0], s->message.rings_bytes, &s->rings), 0);
	for (int i = 0; i < 2; i++) {
		const struct tp_ring_place *place = &s->message.ring[i];
		void *memory = (char *)s->rings.base + place->offset;
		size_t bytes = s->rings.bytes - place->offset;
		assert_int_equal(place->worker, 0);
		assert_true(place->event_fd > 0 && place->event_fd < s->n_fds);
		if (place->kind == TP_RING_STREAM_UP)
			assert_int_equal(tp_ring_producer_init(&s->up, memory, bytes, place->slots,
						 place->slot_bytes, s->fds[place->event_fd]),
				0);
		else if (place->kind == TP_RING_STREAM_DOWN)
			assert_int_equal(
				tp_ring_consumer_init(&s->down, memory, bytes, place->slots,
					place->slot_bytes, s->fds[place->event_fd]),
				0);
		else
			fail();
	}
}

static void stream_leave(struct stream *s)
{
	close(s->fd);
	turns(2);
	for (size_t i = 1; i < s->n_fds; i++)
		close(s->fds[i]);
	tp_shm_close(&s->rings);
}

static void test_a_stream_gets_rings_with_every_worker(void **state)
{
	struct stream s;

	stream_attach(&s, 0x1007);
	assert_int_equal(fcntl(s.fds[0], F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(s.up.size, TP_STREAM_UP_SLOTS);
	assert_int_equal(s.down.size, TP_STREAM_DOWN_SLOTS);
	assert_null(t.fakes.link); // nothing of control's
	struct dp_stream_link *link = t.fakes.stream[TP_STREAM_PLACE(0x1007)];
	assert_non_null(link);
	assert_int_equal(link->stream, 0x1007);
	// Up: the worker is woken; down: the stream is.
	struct tp_stream_slot *slot = tp_ring_reserve(&s.up);
	slot->connection = 77;
	assert_true(tp_ring_sleep(&link->up));
	tp_ring_commit(&s.up);
	tp_ring_flush(&s.up);
	uint64_t count;
	assert_int_equal(read(t.fakes.worker_event_fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(((const struct tp_stream_slot *)tp_ring_front(&link->up))->connection, 77);
	assert_true(tp_ring_sleep(&s.down));
	slot = tp_ring_reserve(&link->down);
	slot->connection = 78;
	tp_ring_commit(&link->down);
	tp_ring_flush(&link->down);
	assert_int_equal(read(s.down.event_fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(((const struct tp_stream_slot *)tp_ring_front(&s.down))->connection, 78);
	stream_leave(&s);
	assert_null(t.fakes.stream[TP_STREAM_PLACE(0x1007)]);
}

static void test_control_and_streams_come_and_go_alone(void **state)
{
	struct stream s;
	struct attached a;

	int fd = dial_as(TP_ROLE_CONTROL);
	attach(fd, &a);
	stream_attach(&s, 5);
	detach(fd, &a);
	assert_null(t.fakes.link);
	assert_non_null(t.fakes.stream[5]);
	fd = dial_as(TP_ROLE_CONTROL);
	attach(fd, &a);
	stream_leave(&s);
	assert_null(t.fakes.stream[5]);
	assert_non_null(t.fakes.link);
	detach(fd, &a);
}

static void test_a_taken_place_is_busy(void **state)
{
	struct stream s, other, again;

	stream_attach(&s, 5);
	expect_refusal(dial_stream(5), TP_REFUSED_BUSY, (uint32_t)getpid());
	expect_refusal(dial_stream(5 + TP_STREAM_PLACES), TP_REFUSED_BUSY, (uint32_t)getpid());
	stream_attach(&other, 6);
	assert_int_equal(t.fakes.stream[5]->stream, 5);
	assert_int_equal(t.fakes.stream[6]->stream, 6);
	stream_leave(&s);
	stream_attach(&again, 5 + TP_STREAM_PLACES);
	stream_leave(&again);
	stream_leave(&other);
}

// The end of its connection waits in the queue behind the greeting of its successor.
static void test_a_stream_that_died_makes_room_at_once(void **state)
{
	struct stream s, again;
	struct tp_stream_hello hello = stream_hello(5);

	stream_attach(&s, 5);
	int fd = dial();
	assert_int_equal(send(fd, &hello, sizeof(hello), 0), sizeof(hello));
	close(s.fd);
	turns(2);
	assert_non_null(t.fakes.stream[5]);
	close(fd);
	turns(2);
	assert_null(t.fakes.stream[5]);
	s.fd = -1;
	stream_leave(&s);
	stream_attach(&again, 5);
	stream_leave(&again);
}

static void test_hostile_greetings_are_refused(void **state)
{
	struct tp_stream_hello hello = stream_hello(5);

	expect_refusal(dial_as(TP_ROLE_STREAM), TP_REFUSED_SIZES, 0); // as short as control's
	expect_refusal(dial_stream(0), TP_REFUSED_ROLE, TP_ROLE_STREAM);
	hello.hello.sizes[TP_SIZE_STREAM_SLOT] += 8;
	int fd = dial();
	say(fd, &hello, sizeof(hello));
	expect_refusal(fd, TP_REFUSED_SIZES, TP_SIZE_STREAM_SLOT);
	assert_int_equal(t.fakes.streams_set, 0);
	// What it does not share may differ.
	hello = stream_hello(5);
	hello.hello.sizes[TP_SIZE_CMD] += 8;
	fd = dial();
	say(fd, &hello, sizeof(hello));
	assert_int_equal(t.fakes.streams_set, 1);
	say(fd, &hello, sizeof(hello)); // once is enough
	assert_null(t.fakes.stream[5]);
	close(fd);
}

static void test_without_descriptors_there_is_no_place(void **state)
{
	struct rlimit had, few;
	struct stat st;
	int fd = dial();
	struct tp_stream_hello hello = stream_hello(5);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &had), 0);
	few = had;
	few.rlim_cur = (rlim_t)dup(fd); // the lowest free one
	close((int)few.rlim_cur);
	assert_int_not_equal(fstat((int)few.rlim_cur, &st), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	say(fd, &hello, sizeof(hello));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &had), 0);
	expect_refusal(fd, TP_REFUSED_MEMORY, 0);
	assert_int_equal(t.fakes.streams_set, 0);
}

static void test_state_is_a_streams_to_say(void **state)
{
	struct tp_stream_state draining = {.header = {.magic = TP_ABI_MAGIC,
						   .major = TP_ABI_MAJOR,
						   .minor = TP_ABI_MINOR,
						   .type = TP_MSG_STREAM_STATE,
						   .length_bytes = sizeof(draining)},
		.flags = TP_STREAM_DRAINING};
	struct tp_message_header status = draining.header;
	struct tp_status_reply reply;
	struct stream s;

	stream_attach(&s, 5);
	say(s.fd, &draining, sizeof(draining));
	say(s.fd, &draining, sizeof(draining));
	assert_non_null(t.fakes.stream[5]);
	assert_int_equal(dp_manage_stream_at(t.m, 5)->stream->flags, TP_STREAM_DRAINING);
	status.type = TP_MSG_STATUS; // it may ask as everybody
	status.length_bytes = sizeof(status);
	say(s.fd, &status, sizeof(status));
	assert_int_equal(recv(s.fd, &reply, sizeof(reply), MSG_DONTWAIT), sizeof(reply));
	draining.header.length_bytes = sizeof(draining.header);
	say(s.fd, &draining, sizeof(draining.header));
	assert_null(t.fakes.stream[5]); // broke the protocol
	stream_leave(&s);
	draining.header.length_bytes = sizeof(draining);
	int fd = dial_as(TP_ROLE_STATUS);
	say(fd, &draining, sizeof(draining));
	expect_refusal(fd, TP_REFUSED_ROLE, 0);
}

static void test_rings_live_until_no_worker_holds_them(void **state)
{
	struct stream s;

	stream_attach(&s, 5);
	close(s.fd);
	turns(5);
	s.fd = -1;
	assert_null(t.fakes.stream[5]);
	assert_non_null(t.m->retired_streams);
	rte_rcu_qsbr_quiescent(t.qsbr, 0);
	turns(1);
	assert_null(t.m->retired_streams);
	stream_leave(&s);
}

static void test_every_place_is_taken_and_others_still_get_in(void **state)
{
	static struct stream s[TP_STREAM_PLACES];
	int idle[70];

	for (uint32_t i = 0; i < TP_STREAM_PLACES; i++)
		stream_attach(&s[i], 1000 + i);
	for (int i = 0; i < 70; i++) // the oldest of these give way, no stream does
		idle[i] = dial_as(TP_ROLE_STATUS);
	for (uint32_t i = 0; i < TP_STREAM_PLACES; i++)
		assert_non_null(t.fakes.stream[i]);
	expect_refusal(dial_stream(7), TP_REFUSED_BUSY, (uint32_t)getpid());
	for (int i = 0; i < 70; i++)
		close(idle[i]);
	for (uint32_t i = 0; i < TP_STREAM_PLACES; i++)
		stream_leave(&s[i]);
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
	STREAM_TEST(test_a_stream_gets_rings_with_every_worker),
	STREAM_TEST(test_control_and_streams_come_and_go_alone),
	STREAM_TEST(test_a_taken_place_is_busy),
	STREAM_TEST(test_a_stream_that_died_makes_room_at_once),
	STREAM_TEST(test_hostile_greetings_are_refused),
	STREAM_TEST(test_without_descriptors_there_is_no_place),
	STREAM_TEST(test_state_is_a_streams_to_say),
	STREAM_TEST(test_rings_live_until_no_worker_holds_them),
	STREAM_TEST(test_every_place_is_taken_and_others_still_get_in),
};

int main(void)
{
	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
