// SPDX-License-Identifier: BSD-3-Clause
// The loop: it sleeps when nothing comes, wakes for a kick, an injected datagram and a hand-off,
// and hands frames to the worker that owns the only queue. Devices: two net_ring ports.
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_pause.h>

#include "common/base/clock.h"
#include "common/privilege/filter.h"
#include "dataplane/path/count.h"
#include "dataplane/path/handoff.h"
#include "dataplane/path/idle.h"
#include "dataplane/path/tx.h"
#include "tests/unit/dataplane/path/stream_rig.h"

#define SPINS 200000000u // a bound, not a time: each spin looks at a counter

struct loop {
	struct dp_worker *w;
	pthread_t thread;
};

struct wire {
	struct rte_ring *rx, *tx; // seen from the port
};

static void *loop_main(void *arg)
{
	struct loop *loop = arg;
	assert_int_equal(rte_thread_register(), 0);
	dp_worker_main(loop->w);
	rte_thread_unregister();
	return NULL;
}

// Waits until a worker's counter reaches a value.
static void await(const struct dp_worker *w, enum tp_counter counter, uint64_t value)
{
	for (uint32_t i = 0; i < SPINS; i++) {
		if (atomic_load(&w->counter[counter]) >= value)
			return;
		sched_yield();
	}
	fail_msg("%s stayed below %ju", tp_counter_name(counter), (uintmax_t)value);
}

// As if the program had one port with one queue, owned by worker 0, and two workers.
static void open_port(struct rig *rig, struct wire *wire)
{
	struct rte_eth_conf conf = {0};

	wire->rx = rte_ring_create("wire_rx", 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	wire->tx = rte_ring_create("wire_tx", 64, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(wire->rx);
	assert_non_null(wire->tx);
	int port = rte_eth_from_rings("wire", &wire->rx, 1, &wire->tx, 1, 0);
	assert_true(port >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)port, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup((uint16_t)port, 0, 64, 0, NULL, rig->dp.pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup((uint16_t)port, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)port), 0);
	rig->dp.ports[0].port_id = (uint16_t)port;
	rig->dp.ports[0].queues = 1;
	rig->dp.ports[0].queue_owner[0] = 0;
	rig->dp.ports[0].queue_fd[0] = -1;
}

static void close_port(struct rig *rig, struct wire *wire)
{
	rte_eth_dev_stop(rig->dp.ports[0].port_id);
	assert_int_equal(rte_vdev_uninit("net_ring_wire"), 0);
	rte_ring_free(wire->rx);
	rte_ring_free(wire->tx);
}

static struct rig *make(struct wire *wire, uint16_t workers)
{
	struct rig *rig = rig_make();

	dp_worker_destroy(rig->w);
	rig->conf.workers.n_cores = workers;
	rig->conf.workers.idle = CONF_IDLE_BACKOFF;
	size_t bytes = rte_rcu_qsbr_get_memsize(TP_MAX_WORKERS);
	rig->dp.qsbr = aligned_alloc(64, RTE_ALIGN(bytes, 64));
	assert_int_equal(rte_rcu_qsbr_init(rig->dp.qsbr, TP_MAX_WORKERS), 0);
	open_port(rig, wire);
	rig->dp.n_workers = workers;
	for (uint16_t i = 0; i < workers; i++)
		assert_int_equal(dp_worker_create(&rig->dp, i, 0, &rig->dp.workers[i]), 0);
	rig->w = rig->dp.workers[0];
	return rig;
}

static void start(struct loop *loop, struct dp_worker *w)
{
	loop->w = w;
	assert_int_equal(pthread_create(&loop->thread, NULL, loop_main, loop), 0);
}

static void stop(struct rig *rig, struct loop *loop, unsigned int n)
{
	atomic_store(&rig->dp.stop, true);
	for (unsigned int i = 0; i < n; i++)
		dp_worker_kick(loop[i].w);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(loop[i].thread, NULL);
}

static void end(struct rig *rig, struct wire *wire, bool alone)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(wire->tx, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	for (uint16_t i = 1; i < rig->dp.n_workers; i++)
		dp_worker_destroy(rig->dp.workers[i]);
	struct rte_rcu_qsbr *qsbr = rig->dp.qsbr;
	close_port(rig, wire);
	// With two workers the books of one alone do not close.
	rig_release(rig, alone);
	free(qsbr);
}

// Every stage has its part of the whole, and every frame was in a burst.
static void check_stages(const struct rig *rig, uint64_t frames)
{
	struct rig_stats s = rig_stats(rig);
	uint64_t stages = 0, least = 0, most = 0;

	for (int i = TP_COUNTER_cycles_read; i <= TP_COUNTER_cycles_transmit; i++) {
		assert_true(s.counter[i] > 0);
		stages += s.counter[i];
	}
	assert_true(stages <= s.counter[TP_COUNTER_cycles_busy]);
	for (int i = 0; i <= TP_COUNTER_burst_32 - TP_COUNTER_burst_1; i++) {
		least += s.counter[TP_COUNTER_burst_1 + i] << i;
		most += s.counter[TP_COUNTER_burst_1 + i] << (i + 1);
	}
	assert_true(least <= frames && frames <= most);
}

static void test_frames_go_through_the_loop(void **state)
{
	struct wire wire;
	struct rig *rig = make(&wire, 1);
	struct loop loop;
	uint8_t bytes[100];

	start(&loop, rig->w);
	await(rig->w, TP_COUNTER_sleeps, 1);
	struct frame f =
		rig_frame(rig_addr("198.18.2.2", 1), rig_addr("198.18.0.2", 50001), "x", 1);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			rte_ring_enqueue(wire.rx, rig_mbuf(rig, bytes, oracle_build(&f, bytes))),
			0);
	await(rig->w, TP_COUNTER_rx, 10);
	await(rig->w, TP_COUNTER_pauses, 1);
	stop(rig, &loop, 1);
	assert_int_equal(rig_drop(rig, no_permission), 10);
	assert_true(rig_counter(rig, cycles_busy) > 0);
	check_stages(rig, 10);
	end(rig, &wire, true);
}

// Frames may gather while less than 256 a millisecond come, over one at least.
static void test_much_that_comes_is_not_kept_waiting(void **state)
{
	static const struct {
		uint64_t passed_us, frames;
		bool calm;
	} steps[] = {{1000, 255, true}, {999, 4000, true}, {1, 0, false}, {500, 0, false},
		{500, 256, false}, {2000, 511, true}, {2000, 512, false}, {1000000, 0, true}};
	struct rig *rig = rig_make();
	uint64_t now_ns = RIG_NOW;

	dp_idle_calm(rig->w, now_ns);
	for (size_t i = 0; i < RTE_DIM(steps); i++) {
		now_ns += steps[i].passed_us * 1000;
		dp_count(rig->w, i % 2 ? TP_COUNTER_stream_up : TP_COUNTER_rx, steps[i].frames);
		assert_int_equal(dp_idle_calm(rig->w, now_ns), steps[i].calm);
	}
	rig_release(rig, false);
}

static void test_a_sleeping_worker_is_not_late_and_wakes_for_control(void **state)
{
	struct wire wire;
	struct rig *rig = make(&wire, 1);
	uint64_t started_ns = tp_now_ns();
	struct loop loop;

	// The producer's side wakes by the worker's eventfd, as the attachment sets it up.
	rig->injects.event_fd = dp_worker_event_fd(rig->w);
	start(&loop, rig->w);
	dp_worker_set_link(rig->w, &rig->link);
	for (uint64_t i = 1; i <= 20; i++) {
		await(rig->w, TP_COUNTER_sleeps, i);
		uint64_t seen_ns = dp_worker_last_seen_ns(rig->w);
		assert_in_range(seen_ns, started_ns, tp_now_ns());
		struct tp_inject *slot = tp_ring_reserve(&rig->injects);
		assert_non_null(slot);
		*slot = (struct tp_inject){.source = rig_addr("198.18.0.2", 3478),
			.destination = rig_addr("198.18.1.1", 40000),
			.length = 3,
			.path = {.vlan = 0xffff, .valid = 1}};
		memcpy(slot->payload, "abc", 3);
		tp_ring_commit(&rig->injects);
		tp_ring_flush(&rig->injects);
		await(rig->w, TP_COUNTER_injected, i);
	}
	stop(rig, &loop, 1);
	assert_int_equal(rte_ring_count(wire.tx), 20);
	end(rig, &wire, true);
}

// Until the worker has said on this ring that it is about to sleep.
static void await_announced(const struct tp_ring *ring)
{
	for (uint32_t i = 0; i < SPINS; i++) {
		if (atomic_load(&ring->shared->sleeping) != 0)
			return;
		sched_yield();
	}
	fail_msg("the worker does not say that it sleeps");
}

static void test_a_sleeping_worker_wakes_for_a_stream(void **state)
{
	struct wire wire;
	struct rig *rig = make(&wire, 1);
	struct loop loop;

	start(&loop, rig->w);
	await(rig->w, TP_COUNTER_sleeps, 1);
	struct stream_rig *s = stream_open(rig, STREAM_NUMBER, dp_worker_event_fd(rig->w));
	for (uint64_t i = 1; i <= 20; i++) {
		await_announced(&s->up);
		stream_message(s, STREAM_CONNECTION, (const uint8_t *)"\x40\1\0", 4);
		await(rig->w, TP_COUNTER_stream_up, i);
	}
	stop(rig, &loop, 1);
	assert_int_equal(rig_drop(rig, no_channel), 20);
	end(rig, &wire, true);
	stream_close(s);
}

static void test_a_detached_stream_is_not_touched_again(void **state)
{
	struct wire wire;
	struct rig *rig = make(&wire, 1);
	struct loop loop;

	start(&loop, rig->w);
	for (uint32_t i = 0; i < 50; i++) {
		uint64_t before = rig_counter(rig, stream_up);
		struct stream_rig *s =
			stream_open(rig, STREAM_NUMBER + i % 3, dp_worker_event_fd(rig->w));
		stream_message(s, STREAM_CONNECTION, (const uint8_t *)"\x40\1\0", 4);
		if (i % 2) // else it may go before a worker looked
			await(rig->w, TP_COUNTER_stream_up, before + 1);
		stream_leave(rig, s);
		rte_rcu_qsbr_synchronize(rig->dp.qsbr, RTE_QSBR_THRID_INVALID);
		memset(s->up_memory, 0xee, tp_ring_bytes(STREAM_UP, TP_PACKET_SLOT_BYTES));
		memset(&s->link, 0xee, sizeof(s->link));
		stream_close(s);
	}
	stop(rig, &loop, 1);
	end(rig, &wire, true);
}

static void test_a_detached_link_is_not_touched_again(void **state)
{
	struct wire wire;
	struct rig *rig = make(&wire, 1);
	struct loop loop;

	start(&loop, rig->w);
	for (int i = 0; i < 50; i++) {
		struct dp_control_link *link = malloc(sizeof(*link));
		*link = rig->link;
		dp_worker_set_link(rig->w, link);
		dp_worker_set_link(rig->w, NULL);
		rte_rcu_qsbr_check(rig->dp.qsbr, rte_rcu_qsbr_start(rig->dp.qsbr), true);
		memset(link, 0xee, sizeof(*link));
		free(link);
	}
	stop(rig, &loop, 1);
	end(rig, &wire, true);
}

// Worker 1 owns no queue: what it sends goes through worker 0, which sleeps meanwhile.
static void test_a_worker_without_a_queue_hands_its_frames_over(void **state)
{
	struct wire wire;
	struct rig *rig = make(&wire, 2);
	struct tp_addr client = rig_addr("198.18.1.1", 40000), peer = rig_addr("198.18.2.2", 6000);
	struct tp_addr listener = rig_addr("198.18.0.2", 3478),
		       relay = rig_addr("198.18.0.2", 50001);
	struct dp_worker *other = rig->dp.workers[1];
	struct loop loop;
	uint8_t bytes[100];

	rig_allocate(rig, 3, client, listener, relay, (struct tp_addr){0}, 0);
	rig_permit(rig, 3, peer.ip, RIG_NOW + 300 * RIG_SECOND);
	start(&loop, rig->w);
	struct frame f = rig_frame(peer, relay, "x", 1);
	for (uint64_t i = 1; i <= 20; i++) {
		await(rig->w, TP_COUNTER_sleeps, i);
		struct rte_mbuf *m = rig_mbuf(rig, bytes, oracle_build(&f, bytes));
		dp_pipeline_run(other, &m, 1, 0, rig->now_ns);
		dp_tx_flush(other);
		await(rig->w, TP_COUNTER_tx, i);
	}
	stop(rig, &loop, 1);
	struct rig_stats s = {0};
	dp_worker_add_stats(rig->w, s.counter, s.drop, &s.held);
	dp_worker_add_stats(other, s.counter, s.drop, &s.held);
	assert_int_equal(s.counter[TP_COUNTER_rx], 20);
	assert_int_equal(s.counter[TP_COUNTER_tx], 20);
	assert_int_equal(s.held, 0);
	assert_int_equal(rte_ring_count(wire.tx), 20);
	// Nobody is there to send: frames wait in the ring, then there is no room, and all is
	// counted.
	for (int i = 0; i < 1100; i++) {
		struct rte_mbuf *m = rig_mbuf(rig, bytes, oracle_build(&f, bytes));
		dp_pipeline_run(other, &m, 1, 0, rig->now_ns);
		dp_tx_flush(other);
	}
	s = (struct rig_stats){0};
	dp_worker_add_stats(rig->w, s.counter, s.drop, &s.held);
	dp_worker_add_stats(other, s.counter, s.drop, &s.held);
	assert_int_equal(s.held, 1023);
	assert_int_equal(s.drop[TP_DROP_handoff_full], 1100 - 1023);
	// The owner comes back: the rest of the wire's room is used, everything else is a drop.
	while (dp_handoff_take(rig->w) != 0)
		dp_tx_flush(rig->w);
	s = (struct rig_stats){0};
	dp_worker_add_stats(rig->w, s.counter, s.drop, &s.held);
	dp_worker_add_stats(other, s.counter, s.drop, &s.held);
	assert_int_equal(s.held, 0);
	assert_int_equal(s.counter[TP_COUNTER_rx],
		s.counter[TP_COUNTER_tx] + s.drop[TP_DROP_handoff_full] + s.drop[TP_DROP_tx_full]);
	end(rig, &wire, false);
}

static void test_a_full_queue_drops_and_counts(void **state)
{
	struct wire wire;
	struct rig *rig = make(&wire, 1);
	struct tp_addr client = rig_addr("198.18.1.1", 40000), peer = rig_addr("198.18.2.2", 6000);
	struct rte_mbuf *m[100];
	uint8_t bytes[100];

	rig_allocate(rig, 3, client, rig_addr("198.18.0.2", 3478), rig_addr("198.18.0.2", 50001),
		(struct tp_addr){0}, 0);
	rig_permit(rig, 3, peer.ip, RIG_NOW + 300 * RIG_SECOND);
	struct frame f = rig_frame(peer, rig_addr("198.18.0.2", 50001), "x", 1);
	for (int i = 0; i < 100; i++)
		m[i] = rig_mbuf(rig, bytes, oracle_build(&f, bytes));
	dp_pipeline_run(rig->w, m, 100, 0, rig->now_ns);
	dp_tx_flush(rig->w);
	assert_int_equal(rig_counter(rig, tx), 63);
	assert_int_equal(rig_drop(rig, tx_full), 37);
	end(rig, &wire, true);
}

// Lets it sleep a few times, without a call to the kernel that the filter could forbid.
static void *stop_after_sleeps(void *arg)
{
	struct dp_worker *w = arg;

	while (atomic_load(&w->counter[TP_COUNTER_sleeps]) < 3)
		rte_pause();
	atomic_store(&w->dp->stop, true);
	dp_worker_kick(w);
	return NULL;
}

// What a worker asks of the kernel from its first line on is in the filter, which may be there
// before it runs: its start, its turns and its sleep.
static void test_a_worker_lives_under_the_filter(void **state)
{
	const struct tp_filter filter = tp_filter_dataplane();
	struct wire wire;
	struct rig *rig = make(&wire, 1);
	int status;

	pid_t pid = fork();
	if (pid == 0) {
		pthread_t stopper;

		alarm(60);
		if (pthread_create(&stopper, NULL, stop_after_sleeps, rig->w) != 0 ||
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			tp_filter_load(&filter, TP_FILTER_KILL) < 0)
			_exit(2);
		_exit(dp_worker_main(rig->w));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	end(rig, &wire, true);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_frames_go_through_the_loop),
	cmocka_unit_test(test_much_that_comes_is_not_kept_waiting),
	cmocka_unit_test(test_a_sleeping_worker_is_not_late_and_wakes_for_control),
	cmocka_unit_test(test_a_sleeping_worker_wakes_for_a_stream),
	cmocka_unit_test(test_a_detached_stream_is_not_touched_again),
	cmocka_unit_test(test_a_detached_link_is_not_touched_again),
	cmocka_unit_test(test_a_worker_without_a_queue_hands_its_frames_over),
	cmocka_unit_test(test_a_full_queue_drops_and_counts),
	cmocka_unit_test(test_a_worker_lives_under_the_filter),
};
RIG_TESTS(tests)
