// SPDX-License-Identifier: BSD-3-Clause
#include <inttypes.h>

#include "bench/load/load.h"
#include "common/base/clock.h"

void load_live_begin(struct load_live *live)
{
	uint64_t now_ns = tp_now_ns();

	*live = (struct load_live){.begin_ns = now_ns, .told_ns = now_ns};
}

static double rate(uint64_t now, uint64_t then, double seconds)
{
	return (double)(now - then) / seconds;
}

void load_live_tell(struct load_live *live, const struct load *l, uint64_t now_ns)
{
	double s = (double)(now_ns - live->told_ns) / 1e9;
	uint64_t up = l->up_ns.total, down = l->down_ns.total;

	if (s < 1)
		return;
	fprintf(stderr, "%6.1f s", (double)(now_ns - live->begin_ns) / 1e9);
	if (l->options.test == LOAD_ALLOCATIONS || l->options.test == LOAD_CYCLES)
		fprintf(stderr, "  %" PRIu64 " done  %.0f/s  median %.0f us", l->done,
			rate(l->done, live->done, s),
			(double)load_histogram_percentile(&l->setup, 50) / 1e3);
	else
		fprintf(stderr,
			"  received up %.0f/s  down %.0f/s  99 %% of all within %.0f, %.0f us",
			rate(up, live->up, s), rate(down, live->down, s),
			(double)load_histogram_percentile(&l->up_ns, 99) / 1e3,
			(double)load_histogram_percentile(&l->down_ns, 99) / 1e3);
	fprintf(stderr, "  %" PRIu64 " retransmitted  %" PRIu64 " failures\n", l->retransmissions,
		l->failures);
	*live = (struct load_live){.begin_ns = live->begin_ns,
		.told_ns = now_ns,
		.up = up,
		.down = down,
		.done = l->done};
}
