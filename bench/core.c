// SPDX-License-Identifier: BSD-3-Clause
// Cycles per packet of the relay core: from a burst received to its frames in the transmit buffer.
// A random permutation over all flows, up and down in equal parts, mbufs rotating through a pool
// larger than the last-level cache, policer, counters and deadlines on, 1 % expired, 1 % missing
// keys; every frame that leaves is compared with a slow oracle. ChannelData over IPv4 and IPv6, and
// Send and Data indications; Binding requests are in core/binding.c. Exit code 1 above a gate.
//
// The clock starts when a receive burst has returned: the driver has just written the first line of
// every descriptor, the frames themselves are cold. A second variant leaves the descriptors cold
// too.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_cycles.h>

#include "bench/core/binding.h"
#include "bench/core/frames.h"
#include "bench/core/world.h"
#include "bench/micro/env.h"
#include "bench/micro/series.h"
#include "common/base/clock.h"

#define MEGABYTES     640
#define MEGABYTES_4M  1180 // flows, buckets and what the executor keeps of 4 M flows, and the pool
#define PACKETS       (96 * 1024) // a sample; their touched lines are 36 MiB
#define MISSING_EVERY 100
#define CHUNK         (64 * DP_BURST) // packets between two looks at the scheduler

// As the product counts them (dataplane/path/stage.h); preemptions are in them.
#define STAGES      4
#define FIRST_STAGE TP_COUNTER_cycles_read

static const char *const stage_name[STAGES] = {"read", "find", "relay", "steps"};
static_assert(TP_COUNTER_cycles_steps == FIRST_STAGE + STAGES - 1);

enum variant {
	TABLE,
	TABLE_COLD, // descriptors as cold as the frames
	VARIANTS,
};

static const char *const variant_name[VARIANTS] = {"table", "table_cold_descriptors"};

// GOALS: cycles a packet. An indication's is a ratio to ChannelData at as many flows.
static const struct size {
	uint32_t flows;
	double gate[WORLD_KINDS];
} sizes[] = {
	{1000, {160, 192, 2.0}},
	{100000, {190, 228, 2.0}},
	{1000000, {230, 276, 2.0}},
	{4000000, {280, 336, 2.0}},
};
#define BINDING    WORLD_KINDS // beside the kinds of flows
#define SMALL_MOST 1000000 // flows that MEGABYTES are enough for

static const char *const kind_name[WORLD_KINDS] = {
	"channel_ipv4", "channel_ipv6", "indication_ipv4"};

struct options {
	bool json;
	bool small_pages; // 4 KiB pages: what valgrind can run
	uint32_t flows;   // only this size; 0: all
	int kind;         // only this kind; BINDING; -1: all
	uint32_t rounds;
};

struct run {
	struct world world;
	uint32_t *permutation; // over all channel flows
	uint32_t next;
	struct frame_plan *plan;
	struct rte_mbuf **in;
	struct rte_mbuf **out;
	uint32_t n_out;
	uint64_t random;
	uint64_t dropped; // that the oracle wanted dropped
	uint64_t relayed;
	uint64_t wrong;
	uint32_t chunks, disturbed; // disturbed: the CPU was taken away, so not in the figures
	uint64_t stage[STAGES], stage_packets; // cycles of the stages of the first variant
	struct bench_series series[VARIANTS];
};

static uint32_t random_below(struct run *r, uint32_t below)
{
	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	return (uint32_t)(((r->random >> 32) * below) >> 32);
}

static void shuffle(struct run *r)
{
	for (uint32_t i = 0; i < r->world.flows; i++)
		r->permutation[i] = i;
	for (uint32_t i = r->world.flows - 1; i > 0; i--) {
		uint32_t j = random_below(r, i + 1);
		RTE_SWAP(r->permutation[i], r->permutation[j]);
	}
}

static int prepare(struct run *r)
{
	if (rte_pktmbuf_alloc_bulk(r->world.dp.pool, r->in, PACKETS) < 0)
		return -ENOBUFS;
	for (uint32_t i = 0; i < PACKETS; i++) {
		r->plan[i] = (struct frame_plan){.flow = r->permutation[r->next],
			.missing = random_below(r, MISSING_EVERY) == 0};
		r->next = (r->next + 1) % r->world.flows;
		frame_write(&r->world, r->in[i], &r->plan[i], i);
	}
	return 0;
}

// What a receive burst leaves behind in every descriptor.
static void receive(struct rte_mbuf *const burst[])
{
	for (uint32_t i = 0; i < DP_BURST; i++) {
		burst[i]->port = 0;
		burst[i]->ol_flags = 0;
		burst[i]->pkt_len = burst[i]->data_len;
	}
}

static long preemptions(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_THREAD, &usage) < 0 ? 0 : usage.ru_nivcsw;
}

// The clock is read once a burst, as a worker does; taking the frames out again is not measured.
static uint64_t relay_chunk(struct run *r, struct rte_mbuf *const in[], bool cold)
{
	uint64_t cycles = 0;

	for (uint32_t at = 0; at < CHUNK; at += DP_BURST) {
		if (!cold)
			receive(in + at);
		uint64_t start = rte_rdtsc();
		dp_pipeline_run(r->world.worker, in + at, DP_BURST, 0, tp_now_ns());
		cycles += rte_rdtsc() - start;
		r->n_out += dp_tx_take(r->world.worker, 0, r->out + r->n_out, DP_BURST);
	}
	return cycles;
}

// Cycles per packet. A chunk during which the scheduler took the CPU away says nothing.
static double relay(struct run *r, bool cold)
{
	uint64_t cycles = 0, packets = 0;

	r->n_out = 0;
	for (uint32_t at = 0; at < PACKETS; at += CHUNK) {
		long before = preemptions();
		uint64_t taken = relay_chunk(r, r->in + at, cold);
		r->chunks++;
		if (preemptions() != before) {
			r->disturbed++;
			continue;
		}
		cycles += taken;
		packets += CHUNK;
	}
	return packets == 0 ? 0 : (double)cycles / (double)packets;
}

static void complain(struct run *r, uint32_t packet, const char *what)
{
	if (r->wrong++ < 5)
		fprintf(stderr, "bench-core: packet %u of flow %u: %s differs\n", packet,
			r->plan[packet].flow, what);
}

// Order is kept, so the frames that left are the plans that were not to be dropped, one by one.
static void check(struct run *r)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < PACKETS; i++) {
		if (frame_is_dropped(&r->plan[i])) {
			r->dropped++;
			continue;
		}
		if (at == r->n_out) {
			complain(r, i, "presence");
			break;
		}
		const char *what = frame_check(&r->world, r->out[at++], &r->plan[i], i);
		if (what != NULL)
			complain(r, i, what);
	}
	if (at != r->n_out)
		complain(r, 0, "number of frames");
	r->relayed += r->n_out;
	rte_pktmbuf_free_bulk(r->out, r->n_out);
}

static void add_stages(struct run *r, uint64_t sign)
{
	uint64_t counter[TP_COUNTERS] = {0}, drop[TP_DROPS] = {0}, held = 0;

	dp_worker_add_stats(r->world.worker, counter, drop, &held);
	for (uint32_t i = 0; i < STAGES; i++)
		r->stage[i] += sign * counter[FIRST_STAGE + i];
}

static int sample(struct run *r, enum variant variant)
{
	int error = prepare(r);

	if (error < 0)
		return error;
	if (variant == TABLE)
		add_stages(r, UINT64_MAX);
	bench_series_add(&r->series[variant], relay(r, variant == TABLE_COLD));
	if (variant == TABLE) {
		add_stages(r, 1);
		r->stage_packets += PACKETS;
	}
	check(r);
	return 0;
}

// The flows' own counters must say what was relayed, and the worker's books must close.
static void check_counters(struct run *r)
{
	uint64_t counter[TP_COUNTERS] = {0}, drop[TP_DROPS] = {0}, held = 0, drops = 0, flows = 0;

	dp_worker_add_stats(r->world.worker, counter, drop, &held);
	for (uint32_t i = 0; i < TP_DROPS; i++)
		drops += drop[i];
	for (uint32_t i = 1; i <= dp_flow_count(r->world.dp.flows); i++) {
		const struct dp_flow *flow = dp_flow_at(r->world.dp.flows, i);
		if (flow->kind != DP_FLOW_ALLOCATION) // has buckets in that place
			flows += flow->packets + flow->up_packets;
	}
	if (flows != r->relayed || drops != r->dropped ||
		counter[TP_COUNTER_rx] != counter[TP_COUNTER_tx] + drops + held) {
		fprintf(stderr,
			"bench-core: books: rx %llu tx %llu drops %llu (oracle %llu), flows %llu "
			"(oracle %llu)\n",
			(unsigned long long)counter[TP_COUNTER_rx],
			(unsigned long long)counter[TP_COUNTER_tx], (unsigned long long)drops,
			(unsigned long long)r->dropped, (unsigned long long)flows,
			(unsigned long long)r->relayed);
		r->wrong++;
	}
}

static int open_run(struct run *r, enum world_kind kind, uint32_t flows)
{
	*r = (struct run){.random = 0x9e3779b97f4a7c15};
	r->permutation = calloc(flows, sizeof(*r->permutation));
	r->plan = calloc(PACKETS, sizeof(*r->plan));
	r->in = calloc(PACKETS, sizeof(struct rte_mbuf *));
	r->out = calloc(PACKETS, sizeof(struct rte_mbuf *));
	if (r->permutation == NULL || r->plan == NULL || r->in == NULL || r->out == NULL)
		return -ENOMEM;
	int error = world_open(&r->world, kind, flows);
	if (error == 0)
		shuffle(r);
	return error;
}

static void close_run(struct run *r)
{
	world_close(&r->world);
	free(r->out);
	free(r->in);
	free(r->plan);
	free(r->permutation);
}

static void print_text(const struct run *r)
{
	printf("%-15s %8u %8u", kind_name[r->world.kind], r->world.flows,
		dp_flow_count(r->world.dp.flows));
	for (uint32_t v = 0; v < VARIANTS; v++) {
		const struct bench_series *s = &r->series[v];
		printf(" | %5.1f (%5.1f .. %5.1f)", bench_series_median(s), bench_series_least(s),
			bench_series_most(s));
	}
	for (uint32_t i = 0; i < STAGES; i++)
		printf(" %s %s %.0f", i == 0 ? "|" : "", stage_name[i],
			(double)r->stage[i] / (double)r->stage_packets);
	if (r->disturbed != 0)
		printf(" | %.1f %% disturbed", 100.0 * r->disturbed / r->chunks);
	printf("\n");
}

static void print_json(const struct run *r, double gate, bool first)
{
	printf("%s{\"case\": \"%s\", \"flows\": %u, \"flows_in_table\": %u, \"gate\": %.1f, "
	       "\"wrong\": %llu, \"chunks\": %u, \"disturbed\": %u",
		first ? "" : ", ", kind_name[r->world.kind], r->world.flows,
		dp_flow_count(r->world.dp.flows), gate, (unsigned long long)r->wrong, r->chunks,
		r->disturbed);
	for (uint32_t v = 0; v < VARIANTS; v++) {
		const struct bench_series *s = &r->series[v];
		printf(", \"%s\": {\"median\": %.1f, \"least\": %.1f, \"most\": %.1f}",
			variant_name[v], bench_series_median(s), bench_series_least(s),
			bench_series_most(s));
	}
	printf(", \"stages\": {");
	for (uint32_t i = 0; i < STAGES; i++)
		printf("%s\"%s\": %.1f", i == 0 ? "" : ", ", stage_name[i],
			(double)r->stage[i] / (double)r->stage_packets);
	printf("}}");
}

// Whether the figures are right and within the gate. *channel is the median of ChannelData over
// IPv4 at this size, 0 when it was not measured.
static bool acceptable(const struct run *r, double gate, double *channel)
{
	double median = bench_series_median(&r->series[TABLE]);

	if (r->wrong != 0) {
		fprintf(stderr, "bench-core: %llu differences from the oracle\n",
			(unsigned long long)r->wrong);
		return false;
	}
	if (r->world.kind == WORLD_CHANNEL_IPV4)
		*channel = median;
	double against = r->world.kind != WORLD_INDICATION ? 1 : *channel;
	// A single round is for a profiler, and an indication is judged beside ChannelData.
	if (median == 0 || against == 0) {
		fprintf(stderr, "bench-core: %s, %u flows: no figure to be judged\n",
			kind_name[r->world.kind], r->world.flows);
		return true;
	}
	if (median <= gate * against)
		return true;
	fprintf(stderr, "bench-core: %s, %u flows: %.1f cycles, the gate is %.1f\n",
		kind_name[r->world.kind], r->world.flows, median, gate * against);
	return false;
}

static bool run(const struct options *o, enum world_kind kind, const struct size *size,
	double *channel, bool first)
{
	struct run r;
	int error = open_run(&r, kind, size->flows);

	for (uint32_t round = 0; round < o->rounds && error == 0; round++) {
		// A single round is for a profiler: nothing but what is to be profiled.
		for (uint32_t v = 0; v < (o->rounds == 1 ? 1 : VARIANTS) && error == 0; v++)
			error = sample(&r, (enum variant)v);
	}
	bool good = error == 0;
	if (good) {
		check_counters(&r);
		if (o->json)
			print_json(&r, size->gate[kind], first);
		else
			print_text(&r);
		fflush(stdout);
		good = acceptable(&r, size->gate[kind], channel);
	}
	close_run(&r);
	return good;
}

static bool run_all(const struct options *o, bool room_for_4m)
{
	bool good = true, first = true;

	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		double channel = 0;
		if (o->flows != 0 ? o->flows != sizes[i].flows
				  : sizes[i].flows > SMALL_MOST && !room_for_4m)
			continue;
		for (int kind = 0; kind < WORLD_KINDS; kind++) {
			if (o->kind >= 0 && o->kind != kind)
				continue;
			good &= run(o, (enum world_kind)kind, &sizes[i], &channel, first);
			first = false;
		}
	}
	if (o->kind == BINDING || (o->kind < 0 && o->flows == 0))
		good &= bench_binding(o->rounds, o->json, first);
	return good;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	*o = (struct options){.kind = -1, .rounds = BENCH_PAIRS};
	for (int i = 1; i < argc; i++) {
		const char *value = strchr(argv[i], '=');
		if (strcmp(argv[i], "--json") == 0)
			o->json = true;
		else if (strcmp(argv[i], "--small-pages") == 0)
			o->small_pages = true;
		else if (strncmp(argv[i], "--flows=", 8) == 0)
			o->flows = (uint32_t)strtoul(value + 1, NULL, 10);
		else if (strncmp(argv[i], "--rounds=", 9) == 0)
			o->rounds = (uint32_t)strtoul(value + 1, NULL, 10);
		else if (strcmp(argv[i], "--case=binding") == 0)
			o->kind = BINDING;
		else if (strncmp(argv[i], "--case=", 7) == 0) {
			for (int kind = 0; kind < WORLD_KINDS; kind++)
				o->kind = strcmp(value + 1, kind_name[kind]) == 0 ? kind : o->kind;
			if (o->kind < 0)
				return false;
		} else
			return false;
	}
	return o->rounds > 0;
}

static void print_head(const struct options *o, const struct bench_env *env)
{
	if (o->json) {
		printf("{\"benchmark\": \"core\", ");
		bench_env_json(env, stdout);
		printf(", \"unit\": \"cycles per packet\", \"results\": [");
		return;
	}
	bench_env_print(env, stdout);
	printf("cycles per packet, median (least .. most) of %u interleaved rounds\n",
		o->rounds - 1);
	printf("case               flows in table | %-22s | %s\n", "warm mbufs", "cold mbufs");
}

int main(int argc, char **argv)
{
	struct options o;
	struct bench_env env;

	if (!parse_options(argc, argv, &o)) {
		fprintf(stderr, "usage: bench-core [--json] [--flows=1000|100000|1000000|4000000] "
				"[--case=NAME] [--rounds=N] [--small-pages]\n");
		return 2;
	}
	bool large = !o.small_pages && bench_env_room(MEGABYTES_4M);
	if (bench_env_open(&env, large || o.flows > SMALL_MOST ? MEGABYTES_4M : MEGABYTES,
		    o.small_pages) < 0)
		return 1;
	print_head(&o, &env);
	if (!large && !o.json && o.flows == 0)
		printf("4 M flows: left out, %u MB of hugepages are not free\n", MEGABYTES_4M);
	bool good = run_all(&o, large);
	if (o.json)
		printf("], \"pass\": %s}\n", good ? "true" : "false");
	else
		printf("gates: %s\n", good ? "passed" : "failed");
	return good ? 0 : 1;
}
