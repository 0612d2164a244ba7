// SPDX-License-Identifier: BSD-3-Clause
// Counts of values with a bounded relative error, in the manner of HDR histograms: each power of
// two is cut into LOAD_HISTOGRAM_SPLIT equal parts, so what is read back is at most 1 part of
// LOAD_HISTOGRAM_SPLIT above the value that was counted (1.6 %), over the whole range of 64 bits.
#pragma once

#include <stdint.h>

#define LOAD_HISTOGRAM_BITS  6
#define LOAD_HISTOGRAM_SPLIT (1 << LOAD_HISTOGRAM_BITS)
#define LOAD_HISTOGRAM_CELLS ((64 - LOAD_HISTOGRAM_BITS + 1) * LOAD_HISTOGRAM_SPLIT)

struct load_histogram {
	uint64_t total, max, sum;
	uint64_t cell[LOAD_HISTOGRAM_CELLS];
};

void load_histogram_add(struct load_histogram *h, uint64_t value);
// The least value that is not below `percent` of all that were counted, rounded up to the end of
// its cell, at most the greatest one; 0 when nothing was.
uint64_t load_histogram_percentile(const struct load_histogram *h, double percent);
double load_histogram_mean(const struct load_histogram *h);
