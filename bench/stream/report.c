// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>

#include "bench/stream/streams.h"

// Of the clients that read, or of those that do not.
static void flows(const struct streams *s, const char *name, bool up, bool deaf, FILE *out)
{
	uint64_t sent = 0, received = 0, wrong = 0, with_loss = 0;

	for (uint32_t i = 0; i < s->options.clients; i++) {
		const struct streams_client *c = &s->clients[i];
		const struct streams_flow *f = up ? &c->up : &c->down;
		if (c->deaf != deaf)
			continue;
		sent += f->sent;
		received += f->received;
		wrong += f->wrong;
		with_loss += f->received < f->sent;
	}
	fprintf(out,
		", \"%s\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"lost\": %" PRIu64
		", \"wrong\": %" PRIu64 ", \"flows_with_loss\": %" PRIu64 "}",
		name, sent, received, sent - received, wrong, with_loss);
}

static void times(const char *name, const struct streams_times *t, FILE *out)
{
	fprintf(out, ", \"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"most\": %.3f}",
		name, streams_times_ms(t, 0.5), streams_times_ms(t, 0.99),
		streams_times_ms(t, 0.999), (double)t->most_ns / 1e6);
}

void streams_report(const struct streams *s, const struct streams_spent *before,
	const struct streams_spent *after, FILE *out)
{
	double seconds = (double)(after->now_ns - before->now_ns) / 1e9;

	fprintf(out, "{\"clients\": %u, \"open\": %u, \"closed\": %u, \"seconds\": %.6f",
		s->options.clients, s->open, s->closed, seconds);
	if (s->options.mode == STREAMS_RELAY) {
		fprintf(out, ", \"arrived_up\": %" PRIu64 ", \"arrived_down\": %" PRIu64,
			after->reached_up - before->reached_up,
			after->reached_down - before->reached_down);
		flows(s, "up", true, false, out);
		flows(s, "down", false, false, out);
		if (s->options.deaf)
			flows(s, "deaf_down", false, true, out);
		times("up_ms", &s->up_times, out);
		times("down_ms", &s->down_times, out);
	} else {
		fprintf(out, ", \"handshakes\": %" PRIu64 ", \"resumed\": %" PRIu64, s->done,
			s->resumed);
	}
	fputs(", \"server\": [", out);
	for (uint32_t i = 0; i < s->options.n_pids; i++)
		fprintf(out,
			"%s{\"pid\": %d, \"cpu_ns\": %" PRIu64 ", \"memory_bytes\": %" PRIu64
			", \"memory_grown_bytes\": %" PRId64 "}",
			i ? ", " : "", s->options.pids[i], after->cpu_ns[i] - before->cpu_ns[i],
			after->memory_bytes[i],
			(int64_t)(after->memory_bytes[i] - before->memory_bytes[i]));
	fprintf(out, "], \"failure\": \"%s\"}\n", s->failure);
	fflush(out);
}
