// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bench/load/load.h"
#include "common/base/clock.h"

struct totals {
	uint64_t sent, received, lost, duplicates, reordered, damaged, longest_gap_ns;
	uint32_t flows_with_loss;
};

static void add_flow(struct totals *t, const struct load_flow *f)
{
	uint64_t lost = f->sent > f->received ? f->sent - f->received : 0;

	t->sent += f->sent;
	t->received += f->received;
	t->lost += lost;
	t->duplicates += f->duplicates;
	t->reordered += f->reordered;
	t->damaged += f->damaged;
	t->flows_with_loss += lost > 0;
	if (f->longest_gap_ns > t->longest_gap_ns)
		t->longest_gap_ns = f->longest_gap_ns;
}

static void sum(const struct load *l, struct totals *up, struct totals *down)
{
	*up = *down = (struct totals){0};
	for (uint32_t i = 0; i < l->options.clients; i++) {
		add_flow(up, &l->clients[i].up);
		add_flow(down, &l->clients[i].down);
	}
}

// Seconds from the last refresh to the last datagram of either direction: least and most of all
// flows.
static void silence(const struct load *l, double *least, double *most)
{
	*least = 1e9;
	*most = 0;
	for (uint32_t i = 0; i < l->options.clients; i++) {
		const struct load_client *c = &l->clients[i];
		const struct load_flow *flows[] = {&c->up, &c->down};
		for (int d = 0; d < 2; d++) {
			double s = ((double)flows[d]->last_ns - (double)c->refreshed_ns) / 1e9;
			*least = s < *least ? s : *least;
			*most = s > *most ? s : *most;
		}
	}
}

static double us(const struct load_histogram *h, double percent)
{
	return (double)load_histogram_percentile(h, percent) / 1e3;
}

static void print_totals(
	FILE *out, const char *name, const struct totals *t, const struct load_histogram *latency)
{
	fprintf(out,
		"  %-9s sent %" PRIu64 "  received %" PRIu64 "  lost %" PRIu64
		" (%u flows)  duplicates %" PRIu64 "  reordered %" PRIu64 "  damaged %" PRIu64
		"  longest gap %.3f s\n",
		name, t->sent, t->received, t->lost, t->flows_with_loss, t->duplicates,
		t->reordered, t->damaged, (double)t->longest_gap_ns / 1e9);
	fprintf(out,
		"  %-9s latency: median %.0f us  99 %% %.0f us  99.9 %% %.0f us  most %.0f us\n",
		"", us(latency, 50), us(latency, 99), us(latency, 99.9),
		(double)latency->max / 1e3);
}

void load_report(const struct load *l, FILE *out)
{
	struct totals up, down;

	sum(l, &up, &down);
	fprintf(out,
		"%u clients, %u bound, %" PRIu64 " requests, %" PRIu64 " retransmitted, %" PRIu64
		" failures%s%s\n",
		l->options.clients, l->bound, l->requests, l->retransmissions, l->failures,
		l->failure[0] ? ": " : "", l->failure);
	print_totals(out, "uplink", &up, &l->up_ns);
	print_totals(out, "downlink", &down, &l->down_ns);
	if (l->options.until_silence) {
		double least, most;
		silence(l, &least, &most);
		fprintf(out, "  flows stopped %.2f to %.2f s after the last refresh\n", least,
			most);
	}
}

void load_report_latency(const struct load_histogram *h, FILE *out)
{
	fprintf(out,
		"\"latency_us\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"p99_9\": %.3f, "
		"\"p99_99\": %.3f, \"max\": %.3f, \"mean\": %.3f}",
		us(h, 50), us(h, 90), us(h, 99), us(h, 99.9), us(h, 99.99), (double)h->max / 1e3,
		load_histogram_mean(h) / 1e3);
}

static void json_totals(
	FILE *out, const char *name, const struct totals *t, const struct load_histogram *latency)
{
	fprintf(out,
		"\"%s\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"lost\": %" PRIu64
		", \"flows_with_loss\": %u, \"duplicates\": %" PRIu64 ", \"reordered\": %" PRIu64
		", \"damaged\": %" PRIu64 ", \"longest_gap_s\": %.6f, ",
		name, t->sent, t->received, t->lost, t->flows_with_loss, t->duplicates,
		t->reordered, t->damaged, (double)t->longest_gap_ns / 1e9);
	load_report_latency(latency, out);
	fputs("}", out);
}

void load_progress(const struct load *l, FILE *out)
{
	struct totals up, down;

	sum(l, &up, &down);
	fprintf(out,
		"{\"now\": %.3f, \"requests\": %" PRIu64 ", \"retransmissions\": %" PRIu64
		", \"sent\": %" PRIu64 ", \"received\": %" PRIu64 "}\n",
		(double)tp_now_ns() / 1e9, l->requests, l->retransmissions, up.sent + down.sent,
		up.received + down.received);
	fflush(out);
}

int load_report_json(const struct load *l, const char *path)
{
	struct totals up, down;
	FILE *out = fopen(path, "w");

	if (!out) {
		fprintf(stderr, "turnpike-bench: %s: %s\n", path, strerror(errno));
		return -errno;
	}
	sum(l, &up, &down);
	fprintf(out,
		"{\"clients\": %u, \"bound\": %u, \"requests\": %" PRIu64
		", \"retransmissions\": %" PRIu64 ", \"failures\": %" PRIu64 ", ",
		l->options.clients, l->bound, l->requests, l->retransmissions, l->failures);
	json_totals(out, "up", &up, &l->up_ns);
	fputs(", ", out);
	json_totals(out, "down", &down, &l->down_ns);
	if (l->options.until_silence) {
		double least, most;
		silence(l, &least, &most);
		fprintf(out, ", \"silence\": {\"least_s\": %.3f, \"most_s\": %.3f}", least, most);
	}
	fputs("}\n", out);
	return fclose(out) == 0 ? 0 : -EIO;
}
