// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/core/binding.h"
#include "bench/core/frames.h"
#include "bench/micro/series.h"
#include "common/base/budget.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

#define FLOWS    1000
#define REQUESTS (64 * 1024)
#define RATE     100000000 // budgets are looked at and never used up
#define HEADERS  42

static const struct {
	const char *name;
	double gate;
} kinds[2] = {{"binding", 140}, {"binding_fingerprint", 220}};

struct binding {
	struct world world;
	struct rte_mbuf *in[REQUESTS], *out[REQUESTS];
	uint32_t n_out;
	uint64_t wrong;
};

static struct tp_addr client(uint32_t number)
{
	return (struct tp_addr){.ip = tp_ip4(0x0b000000 + number * 2654435761U % 0x01000000),
		.port = (uint16_t)(1024 + number % 60000)};
}

static void write_request(struct binding *b, uint32_t number, bool fingerprint)
{
	struct world_ends e = world_arriving(&b->world, 0);
	uint8_t message[64], id[12] = {0};
	struct stun_writer writer;

	memcpy(id, &number, sizeof(number));
	stun_write_begin(&writer, message, sizeof(message), STUN_REQUEST, STUN_BINDING, id);
	if (fingerprint)
		stun_write_fingerprint(&writer);
	e.source = client(number);
	frame_write_message(b->in[number], &e, message, (size_t)stun_write_finish(&writer));
}

static bool answer_right(const struct rte_mbuf *m, uint32_t number, bool fingerprint)
{
	const uint8_t *at = rte_pktmbuf_mtod_offset(m, const uint8_t *, HEADERS);
	struct tp_addr mapped = client(number);
	struct stun_message message;

	return m->pkt_len == HEADERS + 32u + (fingerprint ? 8 : 0) &&
	       stun_read(at, m->pkt_len - HEADERS, &message) == STUN_READ_OK &&
	       tp_rd16(at) == 0x0101 && memcmp(at + 8, &number, sizeof(number)) == 0 &&
	       tp_rd16(at + 26) == (mapped.port ^ 0x2112) &&
	       tp_rd32(at + 28) == (tp_rd32(mapped.ip.bytes) ^ 0x2112a442) &&
	       (!fingerprint || stun_fingerprint_ok(&message));
}

static double answer_all(struct binding *b)
{
	uint64_t cycles = 0;

	b->n_out = 0;
	for (uint32_t at = 0; at < REQUESTS; at += DP_BURST) {
		for (uint32_t i = at; i < at + DP_BURST; i++)
			b->in[i]->pkt_len = b->in[i]->data_len; // warm, as a driver leaves it
		uint64_t start = rte_rdtsc();
		dp_pipeline_run(b->world.worker, b->in + at, DP_BURST, 0, tp_now_ns());
		cycles += rte_rdtsc() - start;
		b->n_out += dp_tx_take(b->world.worker, 0, b->out + b->n_out, DP_BURST);
	}
	return (double)cycles / REQUESTS;
}

static int sample(struct binding *b, bool fingerprint, struct bench_series *series)
{
	if (rte_pktmbuf_alloc_bulk(b->world.dp.pool, b->in, REQUESTS) < 0)
		return -ENOBUFS;
	for (uint32_t i = 0; i < REQUESTS; i++)
		write_request(b, i, fingerprint);
	bench_series_add(series, answer_all(b));
	b->wrong += REQUESTS - b->n_out;
	for (uint32_t i = 0; i < b->n_out; i++)
		b->wrong += !answer_right(b->out[i], i, fingerprint);
	rte_pktmbuf_free_bulk(b->out, b->n_out);
	return 0;
}

static void limit(struct binding *b)
{
	dp_settings_publish(&b->world.dp.settings,
		&(struct dp_settings_values){.address_cost_ns = tp_budget_cost_ns(RATE),
			.network_cost_ns = tp_budget_cost_ns(RATE),
			.channel_max = 0x4fff,
			.dscp = CONF_DSCP_COPY});
	dp_pipeline_begin(b->world.worker);
}

static bool report(const struct bench_series *series, int kind, bool json, bool first)
{
	double median = bench_series_median(series);

	if (json)
		printf("%s{\"case\": \"%s\", \"gate\": %.1f, \"table\": {\"median\": %.1f, "
		       "\"least\": %.1f, \"most\": %.1f}}",
			first ? "" : ", ", kinds[kind].name, kinds[kind].gate, median,
			bench_series_least(series), bench_series_most(series));
	else
		printf("%-33s | %5.1f (%5.1f .. %5.1f)\n", kinds[kind].name, median,
			bench_series_least(series), bench_series_most(series));
	if (median <= kinds[kind].gate)
		return true;
	fprintf(stderr, "bench-core: %s: %.1f cycles, the gate is %.0f\n", kinds[kind].name, median,
		kinds[kind].gate);
	return false;
}

bool bench_binding(uint32_t rounds, bool json, bool first)
{
	struct binding *b = calloc(1, sizeof(*b));
	struct bench_series series[2] = {0};
	int error = b == NULL ? -ENOMEM : world_open(&b->world, WORLD_CHANNEL_IPV4, FLOWS);
	bool good = error == 0;

	if (good)
		limit(b);
	for (uint32_t round = 0; round < rounds && error == 0; round++) {
		for (int kind = 0; kind < 2 && error == 0; kind++)
			error = sample(b, kind == 1, &series[kind]);
	}
	for (int kind = 0; kind < 2 && error == 0; kind++)
		good &= report(&series[kind], kind, json, first && kind == 0);
	if (error < 0 || b->wrong != 0) {
		fprintf(stderr, "bench-core: Binding: %d, %llu wrong answers\n", error,
			b == NULL ? 0 : (unsigned long long)b->wrong);
		good = false;
	}
	if (b != NULL)
		world_close(&b->world);
	free(b);
	return good;
}
