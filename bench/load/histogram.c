// SPDX-License-Identifier: BSD-3-Clause
#include "bench/load/histogram.h"

// Values below LOAD_HISTOGRAM_SPLIT have a cell each; of a greater one, its highest bits say which.
static unsigned int cell_of(uint64_t value)
{
	if (value < LOAD_HISTOGRAM_SPLIT)
		return (unsigned int)value;
	unsigned int shift = 63 - (unsigned int)__builtin_clzll(value) - LOAD_HISTOGRAM_BITS;
	return (shift + 1) * LOAD_HISTOGRAM_SPLIT +
	       (unsigned int)(value >> shift & (LOAD_HISTOGRAM_SPLIT - 1));
}

// The greatest value of a cell.
static uint64_t end_of(unsigned int cell)
{
	if (cell < LOAD_HISTOGRAM_SPLIT)
		return cell;
	unsigned int shift = cell / LOAD_HISTOGRAM_SPLIT - 1;
	uint64_t first = (uint64_t)(LOAD_HISTOGRAM_SPLIT + cell % LOAD_HISTOGRAM_SPLIT) << shift;
	return first + ((UINT64_C(1) << shift) - 1);
}

void load_histogram_add(struct load_histogram *h, uint64_t value)
{
	h->cell[cell_of(value)]++;
	h->total++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
}

uint64_t load_histogram_percentile(const struct load_histogram *h, double percent)
{
	double exact = (double)h->total * percent / 100;
	uint64_t wanted = (uint64_t)exact, seen = 0;

	if (h->total == 0)
		return 0;
	if ((double)wanted < exact || wanted == 0)
		wanted++;
	for (unsigned int i = 0; i < LOAD_HISTOGRAM_CELLS; i++) {
		seen += h->cell[i];
		if (seen >= wanted)
			return end_of(i) < h->max ? end_of(i) : h->max;
	}
	return h->max;
}

double load_histogram_mean(const struct load_histogram *h)
{
	return h->total ? (double)h->sum / (double)h->total : 0;
}
