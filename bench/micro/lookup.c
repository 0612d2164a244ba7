// SPDX-License-Identifier: BSD-3-Clause
// Cycles of a lookup alone: bursts of 32 random keys, 1 % of them missing, then of each hit the
// deadline is read and a counter written. Our table against rte_hash, interleaved.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_hash.h>
#include <rte_malloc.h>

#include "bench/micro/env.h"
#include "bench/micro/hash_variant.h"
#include "bench/micro/series.h"

#define BURST     32
#define MEGABYTES 448
#define SAMPLE    (1u << 20) // lookups a figure
#define NOT_THERE UINT32_MAX

struct stage {
	struct dp_flow_table *table;
	struct rte_hash *hash;
	struct dp_flow **flows;
	struct dp_flow_key *keys; // in the order of a random permutation, SAMPLE of them
	struct dp_flow **expected;
	uint32_t n;
	uint64_t wrong;
	uint64_t sink;
};

static uint64_t random_next(void)
{
	static uint64_t s = 0x853c49e6748fea9b;
	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return s;
}

static struct dp_flow_key key_of(uint32_t n)
{
	struct dp_flow_key key = {.local = (uint16_t)(n >> 18),
		.selector = (uint16_t)(0x4000 + n % 8),
		.side = DP_KEY_CLIENT,
		.family = TP_FAMILY_IPV4};
	uint32_t client = rte_cpu_to_be_32(0xc6120000 + n / 64);

	memcpy(key.ip, &client, sizeof(client));
	key.port = rte_cpu_to_be_16((uint16_t)(1024 + n / 8 % 8));
	return key;
}

static int fill(struct stage *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct dp_flow *flow = dp_flow_new(s->table);
		if (flow == NULL)
			return -ENOSPC;
		flow->key = key_of(i);
		flow->deadline_ns = UINT64_MAX;
		int error = dp_flow_publish(s->table, flow);
		if (error == 0)
			error = bench_hash_add(s->hash, flow);
		if (error < 0)
			return error;
		s->flows[i] = flow;
	}
	return 0;
}

// Every flow once before any comes again; 1 in 100 is a key that is not there.
static void draw(struct stage *s, uint32_t *permutation)
{
	for (uint32_t i = 0; i < s->n; i++)
		permutation[i] = i;
	for (uint32_t i = s->n - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(random_next() >> 20) % (i + 1);
		RTE_SWAP(permutation[i], permutation[j]);
	}
	for (uint32_t i = 0; i < SAMPLE; i++) {
		uint32_t flow = permutation[i % s->n];
		s->keys[i] = key_of(flow);
		s->expected[i] = s->flows[flow];
		if (i % 100 == 99) {
			s->keys[i].selector = 0x4fff;
			s->expected[i] = NULL;
		}
	}
}

static double measure(struct stage *s, bool table)
{
	const struct dp_flow_key *keys[BURST];
	struct dp_flow *found[BURST];
	uint64_t start = rte_rdtsc_precise();

	for (uint32_t at = 0; at < SAMPLE; at += BURST) {
		for (uint32_t i = 0; i < BURST; i++)
			keys[i] = &s->keys[at + i];
		if (table)
			dp_flow_lookup_bulk(s->table, keys, BURST, found);
		else
			bench_hash_lookup_bulk(s->hash, keys, BURST, found);
		for (uint32_t i = 0; i < BURST; i++) {
			s->wrong += found[i] != s->expected[at + i];
			if (found[i] == NULL)
				continue;
			s->sink +=
				atomic_load_explicit(&found[i]->deadline_ns, memory_order_relaxed);
			atomic_store_explicit(&found[i]->packets,
				atomic_load_explicit(&found[i]->packets, memory_order_relaxed) + 1,
				memory_order_relaxed);
		}
	}
	return (double)(rte_rdtsc_precise() - start) / SAMPLE;
}

static int stage_open(struct stage *s, uint32_t n)
{
	*s = (struct stage){.n = n};
	s->table = dp_flow_table_create(n, NULL, SOCKET_ID_ANY);
	s->hash = bench_hash_create(n + n / 4); // room for what cuckoo cannot place
	s->flows = calloc(n, sizeof(struct dp_flow *));
	s->keys = calloc(SAMPLE, sizeof(*s->keys));
	s->expected = calloc(SAMPLE, sizeof(struct dp_flow *));
	uint32_t *permutation = calloc(n, sizeof(*permutation));
	int error = -ENOMEM;
	if (s->table != NULL && s->hash != NULL && s->flows != NULL && s->keys != NULL &&
		s->expected != NULL && permutation != NULL)
		error = fill(s);
	if (error == 0)
		draw(s, permutation);
	free(permutation);
	return error;
}

static void stage_close(struct stage *s)
{
	free(s->expected);
	free(s->keys);
	free(s->flows);
	bench_hash_destroy(s->hash);
	dp_flow_table_destroy(s->table);
}

static int run(uint32_t n, bool json)
{
	struct bench_series table = {0}, hash = {0};
	struct stage s;
	int error = stage_open(&s, n);

	if (error < 0) {
		fprintf(stderr, "bench-lookup: %u flows: %s\n", n, strerror(-error));
		stage_close(&s);
		return error;
	}
	for (uint32_t pair = 0; pair < BENCH_PAIRS; pair++) {
		bench_series_add(&table, measure(&s, true));
		bench_series_add(&hash, measure(&s, false));
	}
	if (json)
		printf("{\"flows\": %u, \"table\": %.1f, \"rte_hash\": %.1f, \"wrong\": %llu}", n,
			bench_series_median(&table), bench_series_median(&hash),
			(unsigned long long)s.wrong);
	else
		printf("%9u | %6.1f  (%6.1f .. %6.1f) | %6.1f  (%6.1f .. %6.1f)\n", n,
			bench_series_median(&table), bench_series_least(&table),
			bench_series_most(&table), bench_series_median(&hash),
			bench_series_least(&hash), bench_series_most(&hash));
	error = s.wrong == 0 ? 0 : -EBADMSG;
	if (error < 0)
		fprintf(stderr, "bench-lookup: %llu wrong answers\n", (unsigned long long)s.wrong);
	stage_close(&s);
	return error;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1000, 100000, 1000000};
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct bench_env env;
	int status = 0;

	if (argc > 1 && !json) {
		fprintf(stderr, "usage: bench-lookup [--json]\n");
		return 2;
	}
	if (bench_env_open(&env, MEGABYTES, false) < 0)
		return 1;
	if (json) {
		printf("{\"benchmark\": \"lookup\", ");
		bench_env_json(&env, stdout);
		printf(", \"unit\": \"cycles per lookup\", \"results\": [");
	} else {
		bench_env_print(&env, stdout);
		printf("cycles per lookup, median (least .. most) of %d interleaved pairs\n",
			BENCH_PAIRS - 1);
		printf("    flows | table                        | rte_hash, lock-free, bulk\n");
	}
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		if (json && i > 0)
			printf(", ");
		if (run(sizes[i], json) < 0)
			status = 1;
		fflush(stdout);
	}
	if (json)
		printf("]}\n");
	return status;
}
