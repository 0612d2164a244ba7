// SPDX-License-Identifier: BSD-3-Clause
// Packet memory and reassembly used up, step by step: what wants a buffer is a counted drop,
// nothing leaks, the books close, and what was refused passes once there is room again.
#include "tests/unit/dataplane/path/rig.h"
// After cmocka's headers.
#include "dataplane/path/state.h"
#include "dataplane/setup/pool.h"

#define PIECES          1024 // of all datagrams in reassembly (reassemble.c)
#define PIECES_A_SENDER 64   // of one datagram
#define CHUNK           64

struct scene {
	struct rig *rig;
	struct tp_addr client, listener, relay, peer;
	struct rte_mbuf *taken[RIG_MBUFS];
	unsigned int n_taken;
};

static struct scene *scene(void)
{
	struct scene *s = calloc(1, sizeof(*s));

	s->rig = rig_make();
	s->client = rig_addr("198.18.1.1", 40000);
	s->listener = rig_addr("198.18.0.2", 3478);
	s->relay = rig_addr("198.18.0.2", 50001);
	s->peer = rig_addr("198.18.2.2", 6000);
	rig_allocate(s->rig, 3, s->client, s->listener, s->relay, (struct tp_addr){0}, 0);
	rig_permit(s->rig, 3, s->peer.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s->rig, 3, s->peer, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	return s;
}

// All buffers but `left` are somebody else's.
static void leave(struct scene *s, unsigned int left)
{
	while (rte_mempool_avail_count(s->rig->dp.pool) > left)
		s->taken[s->n_taken++] = rte_pktmbuf_alloc(s->rig->dp.pool);
}

static void give_back(struct scene *s)
{
	rte_pktmbuf_free_bulk(s->taken, s->n_taken);
	s->n_taken = 0;
}

static void end(struct scene *s)
{
	give_back(s);
	rig_end(s->rig);
	free(s);
}

// The peer's datagram of `length` bytes, cut into fragments of `chunk`; returns how many.
static unsigned int receive_cut(struct scene *s, uint32_t id, size_t length, size_t chunk)
{
	static uint8_t data[6000], udp[6100], bytes[1600];
	struct frame f = rig_frame(s->peer, s->relay, data, length);
	size_t whole = oracle_udp(&f, udp);
	unsigned int n = 0;

	f.fragment = true;
	f.id = id;
	for (size_t at = 0; at < whole; at += chunk, n++) {
		size_t part = whole - at < chunk ? whole - at : chunk;
		f.offset = (uint32_t)at;
		f.more = at + part < whole;
		rig_receive(s->rig, bytes, oracle_ip(&f, bytes, udp + at, part));
	}
	return n;
}

// With any number of buffers less than a reassembled datagram and its fragments out take: all of
// its received fragments are one reason's, and none is kept.
static void test_reassembly_without_buffers(void **state)
{
	struct scene *s = scene();
	uint64_t lost = 0;

	for (unsigned int spare = 0;; spare++) {
		leave(s, 4 + spare);
		uint64_t sent = rig_counter(s->rig, tx);
		assert_int_equal(receive_cut(s, spare, 5000, 1400), 4);
		assert_int_equal(rig_stats(s->rig).held, 0);
		rig_books_close(s->rig);
		assert_int_equal(rte_mempool_avail_count(s->rig->dp.pool), 4 + spare);
		if (rig_counter(s->rig, tx) != sent)
			break;
		assert_int_equal(s->rig->n_out, 0);
		assert_int_equal(rig_drop(s->rig, no_mbuf), lost += 4);
		give_back(s);
	}
	// The head and the other segments of the whole, of which some were tried without.
	assert_true(lost >= 12);
	assert_true(s->rig->n_out >= 4);
	assert_int_equal(rig_drops(s->rig), lost);
	end(s);
}

// What grew over the MTU leaves in two fragments or not at all.
static void test_fragments_out_without_buffers(void **state)
{
	struct scene *s = scene();
	uint8_t data[1472] = {0};
	struct frame f = rig_frame(s->peer, s->relay, data, sizeof(data));

	for (unsigned int spare = 0; spare < 2; spare++) {
		leave(s, 1 + spare);
		rig_receive_frame(s->rig, &f);
		assert_int_equal(s->rig->n_out, 0);
		assert_int_equal(rig_drop(s->rig, no_mbuf), 1 + spare);
		assert_int_equal(rte_mempool_avail_count(s->rig->dp.pool), 1 + spare);
		rig_books_close(s->rig);
		give_back(s);
	}
	leave(s, 3);
	rig_receive_frame(s->rig, &f);
	assert_int_equal(s->rig->n_out, 2);
	assert_int_equal(rig_counter(s->rig, tx), 1);
	end(s);
}

// An ICMP error that cannot be made changes nothing for the datagram that it is about.
static void test_errors_of_our_own_without_buffers(void **state)
{
	struct scene *s = scene();
	uint8_t data[1472] = {0};
	struct frame f = rig_frame(s->peer, s->relay, data, sizeof(data));

	f.df = true;
	leave(s, 1);
	rig_receive_frame(s->rig, &f);
	assert_int_equal(s->rig->n_out, 0);
	assert_int_equal(rig_drop(s->rig, too_big), 1);
	assert_int_equal(rig_counter(s->rig, too_big_sent), 0);
	give_back(s);
	rig_receive_frame(s->rig, &f);
	assert_int_equal(s->rig->n_out, 1);
	assert_int_equal(rig_counter(s->rig, too_big_sent), 1);
	end(s);
}

// Control's datagrams fail one by one and do not wait in their ring: clients ask again.
static void test_datagrams_of_control_without_buffers(void **state)
{
	struct scene *s = scene();

	dp_worker_set_link(s->rig->w, &s->rig->link);
	dp_pipeline_begin(s->rig->w);
	for (unsigned int spare = 0; spare < 3; spare++) {
		leave(s, spare);
		for (int i = 0; i < 3; i++) {
			struct tp_inject *slot = tp_ring_reserve(&s->rig->injects);
			*slot = (struct tp_inject){.source = s->listener,
				.destination = s->client,
				.length = 1,
				.path = {.valid = 1}};
			tp_ring_commit(&s->rig->injects);
		}
		tp_ring_flush(&s->rig->injects);
		assert_int_equal(dp_pipeline_inject(s->rig->w, s->rig->now_ns), 3);
		rig_collect(s->rig);
		assert_int_equal(s->rig->n_out, spare);
		assert_int_equal(tp_ring_filled(&s->rig->injects), 0);
		rig_forget(s->rig);
		give_back(s);
	}
	assert_int_equal(rig_counter(s->rig, inject_failed), 3 + 2 + 1);
	assert_int_equal(rig_counter(s->rig, injected), 0 + 1 + 2);
	end(s);
}

// Media in one buffer each needs none of the pool: it goes on.
static void test_media_needs_no_buffer(void **state)
{
	struct scene *s = scene();
	uint8_t data[172] = {0}, message[200];
	struct frame down = rig_frame(s->peer, s->relay, data, sizeof(data));
	struct frame up = rig_frame(s->client, s->listener, message,
		rig_channel_data(message, RIG_CHANNEL, data, sizeof(data), 0));

	leave(s, 1);
	for (int i = 0; i < 100; i++) {
		rig_receive_frame(s->rig, &up);
		rig_receive_frame(s->rig, &down);
		assert_int_equal(s->rig->n_out, 2);
		rig_forget(s->rig);
	}
	assert_int_equal(rig_drops(s->rig), 0);
	end(s);
}

// Every piece that reassembly has is taken: what comes then is refused, what was begun ends, and
// after the time of those that never end there is room for anybody.
static void test_all_pieces_taken(void **state)
{
	struct scene *s = scene();
	uint8_t data[CHUNK] = {0}, bytes[200];
	struct frame f = rig_frame(s->peer, s->relay, data, sizeof(data));
	uint64_t taken = 0;
	struct tp_addr from = s->peer;

	f.fragment = f.more = true;
	for (f.id = 0; rig_stats(s->rig).held < PIECES; f.id++) {
		assert_true(f.id < 200); // sets of four: some senders push others out
		for (uint32_t i = 0; i < PIECES_A_SENDER; i++, taken++) {
			f.offset = i * CHUNK;
			rig_receive(s->rig, bytes, oracle_ip(&f, bytes, data, CHUNK));
		}
	}
	uint64_t refused = rig_drop(s->rig, fragment_refused);
	assert_int_equal(rig_stats(s->rig).held, PIECES);
	assert_int_equal(refused, taken - PIECES);
	assert_int_equal(rte_mempool_in_use_count(s->rig->dp.pool), PIECES);
	// The smallest pool has as many for a worker, and half of that again for its media.
	struct conf conf = {.workers.n_cores = 1};
	assert_true(dp_pool_fewest(&conf) >= PIECES + PIECES / 2);

	from.ip = rig_addr("198.18.2.3", 0).ip;
	f = rig_frame(from, s->relay, data, sizeof(data));
	f.fragment = f.more = true;
	f.id = 1000;
	rig_receive(s->rig, bytes, oracle_ip(&f, bytes, data, CHUNK));
	assert_int_equal(rig_drop(s->rig, fragment_refused) + rig_stats(s->rig).held, taken + 1);
	rig_books_close(s->rig);

	s->rig->now_ns += 6 * RIG_SECOND;
	dp_pipeline_tick(s->rig->w, s->rig->now_ns);
	assert_int_equal(rig_stats(s->rig).held, 0);
	assert_int_equal(rig_drop(s->rig, fragment_refused), taken + 1);
	assert_int_equal(rte_mempool_in_use_count(s->rig->dp.pool), 0);
	receive_cut(s, 5000, 1000, 400);
	assert_int_equal(s->rig->n_out, 1);
	end(s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_reassembly_without_buffers),
	cmocka_unit_test(test_fragments_out_without_buffers),
	cmocka_unit_test(test_errors_of_our_own_without_buffers),
	cmocka_unit_test(test_datagrams_of_control_without_buffers),
	cmocka_unit_test(test_media_needs_no_buffer),
	cmocka_unit_test(test_all_pieces_taken),
};
RIG_TESTS(tests)
