// SPDX-License-Identifier: BSD-3-Clause
// Allocations a second. Each is made from nothing: another five-tuple, and no nonce, so a 401 comes
// first. `at_a_time` clients have a request under way, no more.
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "bench/load/load.h"
#include "common/base/clock.h"

// How many may have been begun by now.
static uint64_t allowed(const struct load *l, uint64_t begin_ns)
{
	uint64_t n = l->options.per_second;

	return n ? (tp_now_ns() - begin_ns) * n / TP_NS_PER_S : UINT64_MAX;
}

static int begin(struct load *l, uint32_t *next, uint64_t *begun, uint64_t most)
{
	for (; l->outstanding < l->options.at_a_time && *begun < most; ++*begun) {
		struct load_client *c;
		if (*next < l->options.clients) {
			c = &l->clients[(*next)++];
		} else if (l->idle > 0) {
			c = &l->clients[l->ready[--l->idle]];
			int rc = load_client_open(l, c);
			if (rc)
				return rc;
		} else {
			break;
		}
		load_session_allocate(l, c, tp_now_ns());
	}
	return 0;
}

// Cycles end with the time; allocations when every client has one.
static bool more(const struct load *l, uint32_t next, uint64_t end_ns)
{
	if (l->options.test == LOAD_CYCLES)
		return tp_now_ns() < end_ns;
	return next < l->options.clients || l->outstanding > 0;
}

static void finish(struct load *l)
{
	for (uint32_t i = 0; i < l->options.clients || l->outstanding > 0;) {
		while (i < l->options.clients && l->outstanding < l->options.at_a_time) {
			if (l->clients[i].bound)
				load_session_end(l, &l->clients[i], tp_now_ns());
			i++;
		}
		load_poll(l, 10);
		load_tick(l, tp_now_ns());
	}
}

static int report(const struct load *l, uint64_t done, double seconds)
{
	const char *test = l->options.test == LOAD_CYCLES ? "cycles" : "allocations";
	FILE *out = l->options.json ? fopen(l->options.json, "we") : NULL;

	printf("%" PRIu64 " %s in %.3f s: %.0f a second, %u at a time; median %.0f us, 99 %% %.0f "
	       "us; %" PRIu64 " retransmitted, %" PRIu64 " failures%s%s\n",
		done, test, seconds, (double)done / seconds, l->options.at_a_time,
		(double)load_histogram_percentile(&l->setup, 50) / 1e3,
		(double)load_histogram_percentile(&l->setup, 99) / 1e3, l->retransmissions,
		l->failures, l->failure[0] ? ": " : "", l->failure);
	if (!l->options.json)
		return 0;
	if (!out)
		return -errno;
	fprintf(out,
		"{\"test\": \"%s\", \"clients\": %u, \"at_a_time\": %u, \"done\": %" PRIu64
		", \"seconds\": %.6f, \"per_second\": %.1f, \"requests\": %" PRIu64
		", \"retransmissions\": %" PRIu64 ", \"failures\": %" PRIu64 ", ",
		test, l->options.clients, l->options.at_a_time, done, seconds,
		(double)done / seconds, l->requests, l->retransmissions, l->failures);
	load_report_latency(&l->setup, out);
	fputs("}\n", out);
	return fclose(out) == 0 ? 0 : -EIO;
}

int load_rate(struct load *l)
{
	uint64_t begin_ns = tp_now_ns(), end_ns = begin_ns + l->options.duration_s * TP_NS_PER_S;
	struct load_live live;
	uint64_t begun = 0;
	uint32_t next = 0;
	int rc;

	load_live_begin(&live);
	do {
		rc = begin(l, &next, &begun, allowed(l, begin_ns));
		if (rc)
			return rc;
		load_poll(l, 1);
		load_tick(l, tp_now_ns());
		load_live_tell(&live, l, tp_now_ns());
	} while (more(l, next, end_ns));
	double seconds = (double)(tp_now_ns() - begin_ns) / 1e9;
	uint64_t done = l->done;
	struct load_histogram setup = l->setup; // what ends from here on was under way
	load_drain(l);
	if (l->options.test == LOAD_ALLOCATIONS)
		finish(l);
	l->setup = setup;
	rc = report(l, done, seconds);
	return rc ? rc : l->failures ? -ENODATA : 0;
}
