// SPDX-License-Identifier: BSD-3-Clause
#include <stdlib.h>
#include <string.h>

#include "bench/micro/series.h"

void bench_series_add(struct bench_series *s, double value)
{
	if (s->n < BENCH_PAIRS_MAX)
		s->value[s->n++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// The q-th of the kept values in order, q from 0 to 1.
static double rank(const struct bench_series *s, double q)
{
	double sorted[BENCH_PAIRS_MAX];
	uint32_t n = s->n < 2 ? 0 : s->n - 1;

	if (n == 0)
		return 0;
	memcpy(sorted, s->value + 1, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), compare);
	double at = q * (n - 1);
	uint32_t below = (uint32_t)at;
	uint32_t above = below + 1 < n ? below + 1 : below;
	return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

double bench_series_median(const struct bench_series *s)
{
	return rank(s, 0.5);
}

double bench_series_least(const struct bench_series *s)
{
	return rank(s, 0);
}

double bench_series_most(const struct bench_series *s)
{
	return rank(s, 1);
}
