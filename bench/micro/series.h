// SPDX-License-Identifier: BSD-3-Clause
// One figure measured several times: A B A B ..., the first pair dropped, median and spread.
#pragma once

#include <stdint.h>

#define BENCH_PAIRS     8 // the first is dropped
#define BENCH_PAIRS_MAX 64

struct bench_series {
	double value[BENCH_PAIRS_MAX];
	uint32_t n; // with the first one
};

void bench_series_add(struct bench_series *s, double value);
// Of all but the first; 0 without any.
double bench_series_median(const struct bench_series *s);
double bench_series_least(const struct bench_series *s);
double bench_series_most(const struct bench_series *s);
