// SPDX-License-Identifier: BSD-3-Clause
// Two readers beside a writer that inserts, removes and replaces in the same few chains. What they
// must see is decided by a version word per key: odd while it may be there, even while it is gone.
// Also clean under -Db_sanitize=thread (the SSE2 match is compiled as eight atomic loads then).
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/table/flow_table_impl.h"
#include "tests/unit/dataplane/eal.h"

#define READERS    2
#define STABLE     400 // keys that are there throughout, half of them replaced again and again
#define KEYS       1600
#define WRITER_OPS 60000

struct shared {
	struct dp_flow_table *table;
	struct rte_rcu_qsbr *qsbr;
	_Atomic uint32_t version[KEYS];
	_Atomic uint32_t rounds[READERS];
	_Atomic bool stop;
	_Atomic uint32_t stable_missed;
	_Atomic uint32_t gone_returned;
	_Atomic uint32_t wrong_flow;
	_Atomic uint32_t hits;
};

struct reader {
	struct shared *shared;
	unsigned int id;
	pthread_t thread;
};

static struct dp_flow_key key_of(uint32_t n)
{
	struct dp_flow_key key = {.side = DP_KEY_PEER, .family = TP_FAMILY_IPV4};
	memcpy(key.ip, &n, sizeof(n));
	return key;
}

static struct dp_flow *put(struct dp_flow_table *t, uint32_t n)
{
	struct dp_flow *flow = dp_flow_new(t);
	if (flow == NULL)
		return NULL;
	flow->key = key_of(n);
	flow->alloc.index = n;
	if (dp_flow_publish(t, flow) < 0) {
		dp_flow_discard(t, flow);
		return NULL;
	}
	return flow;
}

static void judge(struct shared *s, uint32_t n, uint32_t before, const struct dp_flow *flow)
{
	uint32_t after = atomic_load_explicit(&s->version[n], memory_order_acquire);

	if (flow == NULL) {
		if (n < STABLE)
			atomic_fetch_add(&s->stable_missed, 1);
		return;
	}
	atomic_fetch_add_explicit(&s->hits, 1, memory_order_relaxed);
	if (n >= STABLE && before == after && before % 2 == 0)
		atomic_fetch_add(&s->gone_returned, 1);
	// The pointer is good until the quiescent state, whatever the writer did meanwhile.
	if (flow->alloc.index != n)
		atomic_fetch_add(&s->wrong_flow, 1);
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct shared *s = r->shared;
	struct dp_flow_key keys[DP_LOOKUP_BURST];
	const struct dp_flow_key *pointers[DP_LOOKUP_BURST];
	struct dp_flow *flows[DP_LOOKUP_BURST];
	uint32_t before[DP_LOOKUP_BURST];
	uint32_t next = r->id * 17;

	rte_rcu_qsbr_thread_register(s->qsbr, r->id);
	rte_rcu_qsbr_thread_online(s->qsbr, r->id);
	while (!atomic_load_explicit(&s->stop, memory_order_relaxed)) {
		for (uint32_t i = 0; i < DP_LOOKUP_BURST; i++) {
			uint32_t n = (next + i) % KEYS;
			keys[i] = key_of(n);
			pointers[i] = &keys[i];
			before[i] = atomic_load_explicit(&s->version[n], memory_order_acquire);
		}
		dp_flow_lookup_bulk(s->table, pointers, DP_LOOKUP_BURST, flows);
		for (uint32_t i = 0; i < DP_LOOKUP_BURST; i++)
			judge(s, (next + i) % KEYS, before[i], flows[i]);
		next = (next + DP_LOOKUP_BURST) % KEYS;
		rte_rcu_qsbr_quiescent(s->qsbr, r->id);
		atomic_fetch_add_explicit(&s->rounds[r->id], 1, memory_order_relaxed);
	}
	rte_rcu_qsbr_thread_offline(s->qsbr, r->id);
	rte_rcu_qsbr_thread_unregister(s->qsbr, r->id);
	return NULL;
}

static void replace(struct dp_flow_table *t, struct dp_flow **flow, uint32_t n)
{
	struct dp_flow *fresh = dp_flow_new(t);

	if (fresh == NULL)
		return;
	fresh->key = key_of(n);
	fresh->alloc.index = n;
	dp_flow_replace(t, *flow, fresh);
	*flow = fresh;
}

static void toggle(struct shared *s, struct dp_flow **flow, uint32_t n)
{
	if (*flow != NULL) {
		dp_flow_remove(s->table, *flow);
		*flow = NULL;
		atomic_fetch_add_explicit(&s->version[n], 1, memory_order_release);
		return;
	}
	atomic_fetch_add_explicit(&s->version[n], 1, memory_order_release);
	*flow = put(s->table, n);
	if (*flow == NULL)
		atomic_fetch_add_explicit(&s->version[n], 1, memory_order_release);
}

static uint32_t write_all(struct shared *s, struct dp_flow *flows[])
{
	uint64_t r = 88172645463325252;
	uint32_t done = 0;

	// Goes on until the readers have had their share too, within a bound.
	for (uint32_t op = 0; op < 500 * WRITER_OPS; op++) {
		r ^= r << 13;
		r ^= r >> 7;
		r ^= r << 17;
		uint32_t n = (uint32_t)(r >> 20) % KEYS;
		bool grow = (op / 4096) % 2 == 0; // chains grow and shrink wholly
		if (n < STABLE / 2)
			replace(s->table, &flows[n], n);
		else if (n >= STABLE && (flows[n] == NULL) == grow)
			toggle(s, &flows[n], n);
		done++;
		if (done >= WRITER_OPS && atomic_load(&s->rounds[0]) > 1000 &&
			atomic_load(&s->rounds[READERS - 1]) > 1000)
			break;
		// One CPU for all: a reader that never runs holds every freed flow.
		if (op % 256 == 0)
			sched_yield();
	}
	return done;
}

static void test_readers_beside_the_writer(void **state)
{
	static struct shared s;
	static struct dp_flow *flows[KEYS];
	struct reader readers[READERS];

	s.qsbr = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(READERS), RTE_CACHE_LINE_SIZE);
	assert_int_equal(rte_rcu_qsbr_init(s.qsbr, READERS), 0);
	s.table = dp_flow_table_create(4 * KEYS, s.qsbr, SOCKET_ID_ANY);
	assert_non_null(s.table);
	s.table->mask = 31; // long chains that come and go
	s.table->bucket_fresh = 32;
	for (uint32_t n = 0; n < STABLE; n++) {
		flows[n] = put(s.table, n);
		assert_non_null(flows[n]);
	}
	for (unsigned int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){.shared = &s, .id = i};
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
	}
	assert_true(write_all(&s, flows) >= WRITER_OPS);
	atomic_store(&s.stop, true);
	for (unsigned int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	assert_int_equal(s.stable_missed, 0);
	assert_int_equal(s.gone_returned, 0);
	assert_int_equal(s.wrong_flow, 0);
	assert_true(s.hits > 0);
	dp_flow_table_destroy(s.table);
	rte_free(s.qsbr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_readers_beside_the_writer)};

	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
