// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/table/flow_table_impl.h"
#include "tests/unit/dataplane/eal.h"

#define MODEL_KEYS 3000
#define MODEL_OPS  3000000 // TURNPIKE_OPERATIONS, and TURNPIKE_SEED, ask for others

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct dp_flow_key key_of(uint32_t n)
{
	struct dp_flow_key key = {.side = DP_KEY_CLIENT, .family = TP_FAMILY_IPV4};
	memcpy(key.ip, &n, sizeof(n));
	key.port = (rte_be16_t)(n * 7);
	return key;
}

static struct dp_flow *put(struct dp_flow_table *t, uint32_t n)
{
	struct dp_flow *flow = dp_flow_new(t);
	assert_non_null(flow);
	flow->key = key_of(n);
	flow->alloc.index = n;
	assert_int_equal(dp_flow_publish(t, flow), 0);
	return flow;
}

static void check_model(
	const struct dp_flow_table *t, struct dp_flow *const model[], uint32_t first, uint32_t n)
{
	struct dp_flow_key keys[DP_LOOKUP_BURST];
	const struct dp_flow_key *pointers[DP_LOOKUP_BURST];
	struct dp_flow *found[DP_LOOKUP_BURST];

	for (uint32_t i = 0; i < n; i++) {
		keys[i] = key_of((first + i) % MODEL_KEYS);
		pointers[i] = &keys[i];
	}
	dp_flow_lookup_bulk(t, pointers, n, found);
	for (uint32_t i = 0; i < n; i++) {
		assert_ptr_equal(found[i], model[(first + i) % MODEL_KEYS]);
		assert_ptr_equal(dp_flow_lookup(t, &keys[i]), found[i]);
	}
}

// Random inserts, removals, replacements and lookups against an array. `mask` shrinks the primary
// buckets, so that nearly everything lives in chains.
static void run_model(uint32_t mask)
{
	struct dp_flow_table *t = dp_flow_table_create(MODEL_KEYS, NULL, SOCKET_ID_ANY);
	struct dp_flow *model[MODEL_KEYS] = {0};
	const char *more = getenv("TURNPIKE_OPERATIONS");
	const char *other = getenv("TURNPIKE_SEED");
	uint64_t operations = more ? strtoull(more, NULL, 10) : MODEL_OPS;
	uint64_t seed = (other ? strtoull(other, NULL, 10) : 0x1234567) + mask;
	uint32_t count = 0;

	assert_non_null(t);
	assert_true(operations > 0);
	assert_true(seed != 0);
	t->mask &= mask; // buckets above become unused, the overflow reserve is untouched
	if (mask != UINT32_MAX)
		t->bucket_fresh = t->mask + 1;
	for (uint64_t op = 0; op < operations; op++) {
		uint64_t r = random_next(&seed);
		uint32_t n = (uint32_t)(r >> 8) % MODEL_KEYS;
		// The population drifts between full and empty.
		bool grow = (op / 20000) % 2 == 0;
		uint32_t kind = (uint32_t)(r & 0xff) % 10;
		if (kind == 0) {
			check_model(t, model, n, 1 + (uint32_t)(r >> 40) % DP_LOOKUP_BURST);
		} else if (model[n] == NULL && (grow || kind < 3)) {
			model[n] = put(t, n);
			count++;
		} else if (model[n] != NULL && kind == 1) {
			struct dp_flow *fresh = dp_flow_new(t);
			if (fresh == NULL)
				continue;
			fresh->key = model[n]->key;
			dp_flow_replace(t, model[n], fresh);
			model[n] = fresh;
		} else if (model[n] != NULL && (!grow || kind < 4)) {
			dp_flow_remove(t, model[n]);
			model[n] = NULL;
			count--;
		}
		assert_int_equal(dp_flow_count(t), count);
	}
	for (uint32_t n = 0; n < MODEL_KEYS; n++) {
		if (model[n] != NULL)
			dp_flow_remove(t, model[n]);
	}
	assert_int_equal(dp_flow_count(t), 0);
	for (uint32_t b = 0; b <= t->mask; b++)
		assert_int_equal(t->buckets[b].chain, 0);
	dp_flow_table_destroy(t);
}

static void test_model(void **state)
{
	run_model(UINT32_MAX);
}

static void test_model_in_chains(void **state)
{
	run_model(63);
}

static void test_same_key_is_refused(void **state)
{
	struct dp_flow_table *t = dp_flow_table_create(10, NULL, SOCKET_ID_ANY);
	struct dp_flow *first = put(t, 1);
	struct dp_flow *second = dp_flow_new(t);

	second->key = key_of(1);
	assert_int_equal(dp_flow_publish(t, second), -EEXIST);
	dp_flow_discard(t, second);
	assert_ptr_equal(dp_flow_lookup(t, &first->key), first);
	assert_int_equal(dp_flow_count(t), 1);
	dp_flow_table_destroy(t);
}

static void test_full_table_gives_no_flow_and_every_index_comes_back(void **state)
{
	struct dp_flow_table *t = dp_flow_table_create(100, NULL, SOCKET_ID_ANY);
	struct dp_flow *flows[100];

	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 100; i++)
			flows[i] = put(t, i);
		assert_null(dp_flow_new(t));
		for (uint32_t i = 0; i < 100; i++)
			dp_flow_remove(t, flows[i]);
	}
	assert_int_equal(dp_flow_count(t), 0);
	dp_flow_table_destroy(t);
}

static void test_reserve_exhausted_is_refused_and_loses_nothing(void **state)
{
	struct dp_flow_table *t = dp_flow_table_create(4096, NULL, SOCKET_ID_ANY);
	uint32_t published = 0;
	int error = 0;

	t->mask = 0; // one bucket, and a reserve too small for all
	t->bucket_fresh = t->bucket_end - 4;
	while (published < 4096) {
		struct dp_flow *flow = dp_flow_new(t);
		flow->key = key_of(published);
		error = dp_flow_publish(t, flow);
		if (error != 0)
			break;
		published++;
	}
	assert_int_equal(error, -ENOSPC);
	assert_int_equal(published, 5 * DP_BUCKET_SLOTS);
	for (uint32_t i = 0; i < published; i++) {
		struct dp_flow_key key = key_of(i);
		assert_non_null(dp_flow_lookup(t, &key));
	}
	dp_flow_table_destroy(t);
}

// Entries with one tag in one bucket are told apart by their keys, also in bulk.
static void test_equal_tags(void **state)
{
	struct dp_flow_table *t = dp_flow_table_create(64, NULL, SOCKET_ID_ANY);
	struct dp_flow *flows[6];

	t->mask = 0;
	for (uint32_t i = 0; i < 6; i++)
		flows[i] = put(t, i);
	struct dp_flow_key wanted = key_of(5);
	uint16_t tag = dp_flow_tag(dp_flow_hash(&t->secret, &wanted));
	for (uint32_t slot = 0; slot < 6; slot++)
		t->buckets[0].tag[slot] = tag;
	const struct dp_flow_key *pointer = &wanted;
	struct dp_flow *found;
	dp_flow_lookup_bulk(t, &pointer, 1, &found);
	assert_ptr_equal(found, flows[5]);
	struct dp_flow_key missing = wanted;
	missing.selector = 9;
	pointer = &missing;
	dp_flow_lookup_bulk(t, &pointer, 1, &found);
	assert_null(found);
	dp_flow_table_destroy(t);
}

// A removed flow is handed out again only when the reader that might hold it has moved on.
static void test_removed_flow_waits_for_readers(void **state)
{
	struct rte_rcu_qsbr *qsbr = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(1), 64);

	assert_int_equal(rte_rcu_qsbr_init(qsbr, 1), 0);
	rte_rcu_qsbr_thread_register(qsbr, 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	struct dp_flow_table *t = dp_flow_table_create(2, qsbr, SOCKET_ID_ANY);
	struct dp_flow *a = put(t, 1);
	put(t, 2);
	dp_flow_remove(t, a);
	assert_null(dp_flow_new(t));
	assert_int_equal(a->alloc.index, 1);
	rte_rcu_qsbr_quiescent(qsbr, 0);
	assert_ptr_equal(dp_flow_new(t), a);
	assert_int_equal(a->alloc.index, 0);
	dp_flow_table_destroy(t);
	rte_free(qsbr);
}

// One port or channel more must not mean a neighbouring bucket, whatever the secret.
static void test_hash_spreads_what_a_client_chooses(void **state)
{
	struct dp_flow_secret secret = {{3, 5, 7, 11}};
	static uint32_t load[1024];
	uint32_t most = 0;

	for (uint32_t port = 1; port <= 16384; port++) {
		struct dp_flow_key key = key_of(77);
		key.port = (rte_be16_t)port;
		uint32_t bucket = (uint32_t)dp_flow_hash(&secret, &key) & 1023;
		load[bucket]++;
		if (load[bucket] > most)
			most = load[bucket];
	}
	assert_in_range(most, 17, 48); // mean 16; a random function stays under 40
}

static void test_create_refuses_silly_capacities(void **state)
{
	assert_null(dp_flow_table_create(0, NULL, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EINVAL);
	assert_null(dp_flow_table_create(DP_FLOW_CAPACITY_MAX + 1, NULL, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EINVAL);
	assert_null(dp_flow_table_create(DP_FLOW_CAPACITY_MAX, NULL, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_model_in_chains),
		cmocka_unit_test(test_same_key_is_refused),
		cmocka_unit_test(test_full_table_gives_no_flow_and_every_index_comes_back),
		cmocka_unit_test(test_reserve_exhausted_is_refused_and_loses_nothing),
		cmocka_unit_test(test_equal_tags),
		cmocka_unit_test(test_removed_flow_waits_for_readers),
		cmocka_unit_test(test_hash_spreads_what_a_client_chooses),
		cmocka_unit_test(test_create_refuses_silly_capacities),
	};

	if (test_eal_init("256") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
