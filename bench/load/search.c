// SPDX-License-Identifier: BSD-3-Clause
// RFC 2544 section 26.1 by bisection: the highest rate whose loss is within a ratio. NDR (no drop
// rate): --ndr-loss, 0 by default; PDR (partial drop rate): --pdr-loss, 0.005. MRR (maximum receive
// rate): what arrived at the highest rate offered. What was sent counts, not
// what was to be sent: a trial in which this process could not keep up and nothing more was lost
// ends the search at what it did send, and is marked.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bench/load/load.h"
#include "common/base/clock.h"

#define PRECISION      0.02 // of the rate found
#define OFFERED_ENOUGH 0.98 // of what a trial is to offer
#define TRIALS         64

struct trial {
	uint64_t pps; // to be offered each way
	double offered_pps, received_pps, loss;
	double p50_us, p99_us;
	bool short_of_offer;
};

struct search {
	struct load *load;
	struct trial trial[TRIALS];
	unsigned int n;
	bool generator_limited;
};

static void clear(struct load *l)
{
	for (uint32_t i = 0; i < l->options.clients; i++)
		l->clients[i].up = l->clients[i].down = (struct load_flow){0};
	l->up_ns = l->down_ns = (struct load_histogram){0};
}

static double worse_us(const struct load *l, double percent)
{
	uint64_t up = load_histogram_percentile(&l->up_ns, percent);
	uint64_t down = load_histogram_percentile(&l->down_ns, percent);

	return (double)(up > down ? up : down) / 1e3;
}

static const struct trial *run_trial(struct search *s, uint64_t pps)
{
	struct load *l = s->load;
	struct trial *t = &s->trial[s->n++];
	uint64_t sent = 0, received = 0;
	unsigned int ways = l->options.directions == (LOAD_UP | LOAD_DOWN) ? 2 : 1;
	double seconds = l->options.trial_s;

	clear(l);
	l->pps = pps;
	load_traffic(l, l->options.trial_s * TP_NS_PER_S, false);
	load_drain(l);
	for (uint32_t i = 0; i < l->options.clients; i++) {
		const struct load_client *c = &l->clients[i];
		sent += c->up.sent + c->down.sent;
		received += c->up.received + c->down.received;
	}
	*t = (struct trial){.pps = pps,
		.offered_pps = (double)sent / seconds / ways,
		.received_pps = (double)received / seconds / ways,
		.loss = sent ? (double)(sent - received) / (double)sent : 1,
		.p50_us = worse_us(l, 50),
		.p99_us = worse_us(l, 99)};
	t->short_of_offer = t->offered_pps < OFFERED_ENOUGH * (double)pps;
	s->generator_limited |= t->short_of_offer;
	fprintf(stderr,
		"trial %u: %" PRIu64 " pps each way, offered %.0f, loss %.4f %%, 99 %% %.0f us%s\n",
		s->n, pps, t->offered_pps, 100 * t->loss, t->p99_us,
		t->short_of_offer ? " (short of the offer)" : "");
	return t;
}

// The highest rate up to `most` with at most this loss; 0: none.
static uint64_t find(struct search *s, uint64_t most, double loss)
{
	uint64_t low = 0, high = most + 1, pps = most;

	while (s->n < TRIALS && pps > 0) {
		const struct trial *t = run_trial(s, pps);
		if (t->loss > loss)
			high = pps;
		else if (!t->short_of_offer)
			low = pps;
		else
			return (uint64_t)t->offered_pps > low ? (uint64_t)t->offered_pps : low;
		if (low == most || high - low <= 1 ||
			(double)(high - low) <= PRECISION * (double)high)
			break;
		pps = low + (high - low) / 2;
	}
	return low;
}

static void print_json(const struct search *s, uint64_t ndr, uint64_t pdr, FILE *out)
{
	const struct load_options *o = &s->load->options;

	fprintf(out,
		"{\"test\": \"search\", \"clients\": %u, \"payload_bytes\": %u, \"directions\": "
		"\"%s\", \"trial_s\": %u, \"ndr_pps\": %" PRIu64 ", \"ndr_loss\": %g, \"pdr_pps\": "
		"%" PRIu64 ", \"pdr_loss\": %g, \"mrr_pps\": %.0f, \"generator_limited\": %s, "
		"\"failures\": %" PRIu64 ", \"trials\": [",
		o->clients, o->payload_bytes,
		o->directions == LOAD_UP     ? "up"
		: o->directions == LOAD_DOWN ? "down"
					     : "both",
		o->trial_s, ndr, o->ndr_loss, pdr, o->pdr_loss, s->trial[0].received_pps,
		s->generator_limited ? "true" : "false", s->load->failures);
	for (unsigned int i = 0; i < s->n; i++) {
		const struct trial *t = &s->trial[i];
		fprintf(out,
			"%s{\"pps\": %" PRIu64 ", \"offered_pps\": %.1f, \"received_pps\": %.1f, "
			"\"loss\": %.6f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"short_of_offer\": "
			"%s}",
			i ? ", " : "", t->pps, t->offered_pps, t->received_pps, t->loss, t->p50_us,
			t->p99_us, t->short_of_offer ? "true" : "false");
	}
	fputs("]}\n", out);
}

int load_search(struct load *l)
{
	struct search s = {.load = l};
	uint64_t pdr = find(&s, l->options.max_pps, l->options.pdr_loss);
	uint64_t ndr = pdr ? find(&s, pdr, l->options.ndr_loss) : 0;

	printf("NDR %" PRIu64 " pps, PDR %" PRIu64
	       " pps, MRR %.0f pps, each way, %u-byte payloads, %u "
	       "clients%s\n",
		ndr, pdr, s.trial[0].received_pps, l->options.payload_bytes, l->options.clients,
		s.generator_limited ? "; bounded by this generator" : "");
	if (l->options.json) {
		FILE *out = fopen(l->options.json, "we");
		if (!out)
			return -errno;
		print_json(&s, ndr, pdr, out);
		if (fclose(out) != 0)
			return -EIO;
	}
	return l->failures ? -ENODATA : 0;
}
