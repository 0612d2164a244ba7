// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/abi/ring.h"

#define SLOTS      8
#define SLOT_BYTES 64

struct fixture {
	struct tp_ring_shared *shared;
	size_t bytes;
	int event_fd;
	_Atomic bool gave_up; // the sleeper was not woken
	struct tp_ring producer, consumer;
};

static void fixture_attach(struct fixture *f)
{
	assert_int_equal(tp_ring_producer_init(
				 &f->producer, f->shared, f->bytes, SLOTS, SLOT_BYTES, f->event_fd),
		0);
	assert_int_equal(tp_ring_consumer_init(
				 &f->consumer, f->shared, f->bytes, SLOTS, SLOT_BYTES, f->event_fd),
		0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->bytes = tp_ring_bytes(SLOTS, SLOT_BYTES);
	f->shared = mmap(NULL, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	f->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (f->shared == MAP_FAILED || f->event_fd < 0)
		return -1;
	fixture_attach(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	munmap(f->shared, f->bytes);
	close(f->event_fd);
	free(f);
	return 0;
}

static bool put(struct tp_ring *r, uint64_t value)
{
	void *slot = tp_ring_reserve(r);

	if (!slot)
		return false;
	memcpy(slot, &value, sizeof(value));
	memcpy((char *)slot + SLOT_BYTES - sizeof(value), &value, sizeof(value));
	tp_ring_commit(r);
	return true;
}

// Takes one message; both ends of the slot must carry it.
static bool take(struct tp_ring *r, uint64_t *value)
{
	const char *slot = tp_ring_front(r);
	uint64_t end;

	if (!slot)
		return false;
	memcpy(value, slot, sizeof(*value));
	memcpy(&end, slot + SLOT_BYTES - sizeof(end), sizeof(end));
	assert_int_equal(*value, end);
	tp_ring_pop(r);
	return true;
}

static uint64_t events(const struct fixture *f)
{
	uint64_t count = 0;

	return read(f->event_fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static void refuses_bad_geometry(void **state)
{
	struct fixture *f = *state;
	struct tp_ring r;

	assert_int_equal(tp_ring_bytes(8, 64), 192 + 8 * 64);
	assert_int_equal(tp_ring_bytes(0, 64), 0);
	assert_int_equal(tp_ring_bytes(6, 64), 0);
	assert_int_equal(tp_ring_bytes(8, 0), 0);
	assert_int_equal(tp_ring_bytes(8, 96), 0);
	assert_int_equal(tp_ring_bytes(UINT32_C(1) << 24, 64), 192 + (1 << 30));
	assert_int_equal(tp_ring_bytes(UINT32_C(1) << 25, 64), 0);
	assert_int_equal(tp_ring_bytes(UINT32_C(1) << 31, UINT32_C(1) << 31), 0);
	assert_int_equal(
		tp_ring_consumer_init(&r, f->shared, f->bytes - 1, SLOTS, 64, -1), -EINVAL);
	assert_int_equal(
		tp_ring_producer_init(&r, (char *)f->shared + 8, f->bytes, 4, 64, -1), -EINVAL);
	assert_int_equal(tp_ring_producer_init(&r, NULL, f->bytes, SLOTS, 64, -1), -EINVAL);
	assert_int_equal(
		tp_ring_consumer_init(&r, f->shared, f->bytes, SLOTS - 1, 64, -1), -EINVAL);
}

static void commit_is_unseen_until_flush(void **state)
{
	struct fixture *f = *state;
	uint64_t value;

	assert_true(put(&f->producer, 7));
	assert_null(tp_ring_front(&f->consumer));
	assert_int_equal(tp_ring_filled(&f->consumer), 0);
	tp_ring_flush(&f->producer);
	assert_int_equal(tp_ring_filled(&f->consumer), 1);
	assert_true(take(&f->consumer, &value));
	assert_int_equal(value, 7);
	assert_false(take(&f->consumer, &value));
}

static void full_takes_no_more_until_popped(void **state)
{
	struct fixture *f = *state;
	uint64_t value;

	for (uint64_t i = 0; i < SLOTS; i++) {
		assert_int_equal(tp_ring_free_slots(&f->producer), SLOTS - i);
		assert_true(put(&f->producer, i));
	}
	assert_false(put(&f->producer, 99));
	assert_int_equal(tp_ring_free_slots(&f->producer), 0);
	tp_ring_flush(&f->producer);
	assert_int_equal(tp_ring_filled(&f->consumer), SLOTS);
	assert_true(take(&f->consumer, &value));
	assert_int_equal(value, 0);
	assert_true(put(&f->producer, SLOTS));
	assert_false(put(&f->producer, 99));
	tp_ring_flush(&f->producer);
	for (uint64_t i = 1; i <= SLOTS; i++) {
		assert_true(take(&f->consumer, &value));
		assert_int_equal(value, i);
	}
	assert_false(take(&f->consumer, &value));
}

static void indices_wrap_over_32_bits(void **state)
{
	struct fixture *f = *state;
	uint64_t next = 0, expected = 0, value;

	atomic_store(&f->shared->head, UINT32_MAX - 19);
	atomic_store(&f->shared->tail, UINT32_MAX - 19);
	fixture_attach(f);
	for (int round = 0; round < 20; round++) {
		unsigned int burst = 1 + (unsigned int)round % SLOTS;

		for (unsigned int i = 0; i < burst; i++)
			assert_true(put(&f->producer, next++));
		tp_ring_flush(&f->producer);
		assert_int_equal(tp_ring_filled(&f->consumer), burst);
		while (take(&f->consumer, &value))
			assert_int_equal(value, expected++);
		assert_int_equal(tp_ring_free_slots(&f->producer), SLOTS);
	}
	assert_int_equal(expected, next);
	assert_true(atomic_load(&f->shared->head) < 100);
	assert_int_equal(f->producer.corrupt + f->consumer.corrupt, 0);
}

static void hostile_head_is_ignored(void **state)
{
	struct fixture *f = *state;
	uint64_t value;

	for (uint64_t i = 0; i < 3; i++)
		assert_true(put(&f->producer, i));
	tp_ring_flush(&f->producer);
	assert_int_equal(tp_ring_filled(&f->consumer), 3);
	const uint32_t wild[] = {SLOTS + 1, 1000, UINT32_MAX, UINT32_MAX / 2, 0, 2};
	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		atomic_store(&f->shared->head, wild[i]); // beyond a full ring, or backwards
		assert_int_equal(tp_ring_filled(&f->consumer), 3);
		assert_int_equal(f->consumer.corrupt, i + 1);
	}
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(take(&f->consumer, &value));
		assert_int_equal(value, i);
	}
	assert_null(tp_ring_front(&f->consumer)); // head is still backwards: empty, not phantoms
	atomic_store(&f->shared->head, 3 + SLOTS);
	assert_int_equal(tp_ring_filled(&f->consumer), SLOTS); // as far as it may go
}

static void hostile_tail_is_ignored(void **state)
{
	struct fixture *f = *state;

	for (uint64_t i = 0; i < SLOTS; i++)
		assert_true(put(&f->producer, i));
	tp_ring_flush(&f->producer);
	const uint32_t wild[] = {SLOTS + 1, UINT32_MAX, UINT32_MAX / 2};
	for (size_t i = 0; i < sizeof(wild) / sizeof(*wild); i++) {
		atomic_store(&f->shared->tail, wild[i]);
		assert_null(tp_ring_reserve(&f->producer));
		assert_int_equal(f->producer.corrupt, i + 1);
	}
	atomic_store(&f->shared->tail, 4);
	assert_int_equal(tp_ring_free_slots(&f->producer), 4);
	atomic_store(&f->shared->tail, 1); // backwards: what was free stays free
	assert_int_equal(tp_ring_free_slots(&f->producer), 4);
}

static void nonsense_at_attach_is_full_or_empty(void **state)
{
	struct fixture *f = *state;

	atomic_store(&f->shared->head, 500);
	atomic_store(&f->shared->tail, 7);
	fixture_attach(f);
	assert_null(tp_ring_reserve(&f->producer));
	assert_null(tp_ring_front(&f->consumer));
	assert_int_equal(tp_ring_filled(&f->consumer), 0);
	assert_true(f->producer.corrupt > 0 && f->consumer.corrupt > 0);
}

// The killed producer published 3, committed 2 more and was half way through a third.
static void producer_dies_in_the_middle(void **state)
{
	struct fixture *f = *state;
	uint64_t value;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		for (uint64_t i = 0; i < 3; i++)
			put(&f->producer, i);
		tp_ring_flush(&f->producer);
		put(&f->producer, 1000);
		put(&f->producer, 1001);
		memset(tp_ring_reserve(&f->producer), 0xff, SLOT_BYTES / 2);
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(tp_ring_filled(&f->consumer), 3);

	struct tp_ring heir; // a new producer goes on where the dead one had published
	assert_int_equal(
		tp_ring_producer_init(&heir, f->shared, f->bytes, SLOTS, SLOT_BYTES, -1), 0);
	assert_int_equal(tp_ring_free_slots(&heir), SLOTS - 3);
	assert_true(put(&heir, 3));
	tp_ring_flush(&heir);
	for (uint64_t i = 0; i < 4; i++) {
		assert_true(take(&f->consumer, &value));
		assert_int_equal(value, i);
	}
	assert_false(take(&f->consumer, &value));
}

static void producer_dies_at_any_moment(void **state)
{
	struct fixture *f = *state;
	uint64_t expected = 0, value;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		for (uint64_t i = 0; i < UINT64_C(1) << 40;) {
			i += put(&f->producer, i);
			tp_ring_flush(&f->producer);
		}
		_exit(1);
	}
	while (expected < 5000) {
		if (take(&f->consumer, &value))
			assert_int_equal(value, expected++);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (int left = 0; take(&f->consumer, &value); left++) {
		assert_int_equal(value, expected++);
		assert_true(left < SLOTS);
	}
	assert_int_equal(f->consumer.corrupt, 0);
}

static void wakes_only_a_sleeper_and_only_once(void **state)
{
	struct fixture *f = *state;

	put(&f->producer, 1);
	tp_ring_flush(&f->producer);
	assert_int_equal(events(f), 0); // nobody sleeps
	assert_false(tp_ring_sleep(&f->consumer));
	assert_int_equal(atomic_load(&f->shared->sleeping), 0);
	tp_ring_pop(&f->consumer);
	assert_true(tp_ring_sleep(&f->consumer));
	tp_ring_flush(&f->producer); // nothing new: no wake
	assert_int_equal(events(f), 0);
	put(&f->producer, 2);
	put(&f->producer, 3);
	tp_ring_flush(&f->producer);
	put(&f->producer, 4);
	tp_ring_flush(&f->producer);
	assert_int_equal(events(f), 1);
	assert_true(tp_ring_filled(&f->consumer) == 3);
}

static void wake_withdraws_and_drains(void **state)
{
	struct fixture *f = *state;

	assert_true(tp_ring_sleep(&f->consumer));
	put(&f->producer, 1);
	tp_ring_flush(&f->producer);
	tp_ring_wake(&f->consumer);
	assert_int_equal(events(f), 0);
	assert_int_equal(atomic_load(&f->shared->sleeping), 0);
	tp_ring_wake(&f->consumer); // nothing to drain: does not block
}

#define WAKE_MESSAGES 100000

// Shifts the two sides against each other, so that every order of their steps comes up.
static void dawdle(uint64_t rounds)
{
	for (volatile uint64_t i = 0; i < rounds; i++)
		;
}

static void *sleeper(void *arg)
{
	struct fixture *f = arg;
	uintptr_t got = 0;
	uint64_t value;

	while (got < WAKE_MESSAGES) {
		if (take(&f->consumer, &value)) {
			got += value == got;
			continue;
		}
		dawdle(got * 7 % 97);
		if (!tp_ring_sleep(&f->consumer))
			continue;
		struct pollfd p = {.fd = f->event_fd, .events = POLLIN};
		if (poll(&p, 1, 5000) != 1) {
			atomic_store(&f->gave_up, true);
			break;
		}
		tp_ring_wake(&f->consumer);
	}
	return (void *)got;
}

// The producer waits for the ring to be empty before each message, so that nearly every message
// races with the consumer going to sleep.
static void sleeper_never_misses_a_wake(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	void *got;

	assert_int_equal(pthread_create(&thread, NULL, sleeper, f), 0);
	for (uint64_t i = 0; i < WAKE_MESSAGES; i++) {
		while (tp_ring_free_slots(&f->producer) < SLOTS && !atomic_load(&f->gave_up))
			sched_yield();
		dawdle(i * 13 % 101);
		if (!put(&f->producer, i))
			break;
		tp_ring_flush(&f->producer);
	}
	pthread_join(thread, &got);
	assert_int_equal((uintptr_t)got, WAKE_MESSAGES);
	assert_int_equal(f->producer.corrupt + f->consumer.corrupt, 0);
}

// O_NONBLOCK belongs to the file that both sides hold.
static void a_blocking_eventfd_blocks_nobody(void **state)
{
	int fd = eventfd(UINT32_MAX, EFD_CLOEXEC);
	const uint64_t most = UINT64_MAX - 1 - UINT32_MAX;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_true(fd >= 0);
	alarm(10); // blocked for ever is the failure
	assert_int_equal(write(fd, &most, sizeof(most)), sizeof(most));
	tp_event_signal(fd);
	assert_int_equal(poll(&p, 1, 0), 1);
	tp_event_drain(fd);
	assert_int_equal(poll(&p, 1, 0), 0);
	tp_event_drain(fd);
	tp_event_signal(fd);
	assert_int_equal(poll(&p, 1, 0), 1);
	alarm(0);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_blocking_eventfd_blocks_nobody),
		TEST(refuses_bad_geometry),
		TEST(commit_is_unseen_until_flush),
		TEST(full_takes_no_more_until_popped),
		TEST(indices_wrap_over_32_bits),
		TEST(hostile_head_is_ignored),
		TEST(hostile_tail_is_ignored),
		TEST(nonsense_at_attach_is_full_or_empty),
		TEST(producer_dies_in_the_middle),
		TEST(producer_dies_at_any_moment),
		TEST(wakes_only_a_sleeper_and_only_once),
		TEST(wake_withdraws_and_drains),
		TEST(sleeper_never_misses_a_wake),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
