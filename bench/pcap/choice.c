// SPDX-License-Identifier: BSD-3-Clause
// Flows in turn, uniformly drawn, or by Zipf's law: the flow of rank k has a share of 1 / k^s. Zipf
// by rejection-inversion (W. Hormann, G. Derflinger, 1996), which needs no table of the flows.
#include <math.h>

#include "bench/pcap/pcap.h"

#define SCATTER UINT64_C(2654435761) // a prime: ranks beside each other become flows far apart

// splitmix64
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static double random_unit(uint64_t *state)
{
	return (double)(random_next(state) >> 11) * 0x1p-53;
}

// The integral of x^-s from 1, and its inverse.
static double integral(double s, double x)
{
	return s == 1 ? log(x) : (pow(x, 1 - s) - 1) / (1 - s);
}

static double integral_inverse(double s, double y)
{
	return s == 1 ? exp(y) : pow(1 + y * (1 - s), 1 / (1 - s));
}

void pcap_chooser_init(struct pcap_chooser *c, const struct pcap_options *o)
{
	double s = o->exponent;

	*c = (struct pcap_chooser){
		.choice = o->choice, .flows = o->flows, .random = o->seed, .exponent = s};
	if (o->choice != PCAP_ZIPF)
		return;
	c->h_first = integral(s, 1.5) - 1;
	c->h_last = integral(s, (double)o->flows + 0.5);
	c->accept = 2 - integral_inverse(s, integral(s, 2.5) - pow(2, -s));
}

static uint64_t rank(struct pcap_chooser *c)
{
	double s = c->exponent;

	for (;;) {
		double u = c->h_last + random_unit(&c->random) * (c->h_first - c->h_last);
		double x = integral_inverse(s, u);
		double k = floor(x + 0.5);
		k = k < 1 ? 1 : k > (double)c->flows ? (double)c->flows : k;
		if (k - x <= c->accept || u >= integral(s, k + 0.5) - pow(k, -s))
			return (uint64_t)k;
	}
}

uint64_t pcap_choose(struct pcap_chooser *c)
{
	uint64_t flow;

	switch (c->choice) {
	case PCAP_UNIFORM:
		return (uint64_t)((unsigned __int128)random_next(&c->random) * c->flows >> 64);
	case PCAP_ZIPF:
		return (rank(c) - 1) * SCATTER % c->flows;
	case PCAP_ROUND_ROBIN:
		break;
	}
	flow = c->next;
	c->next = c->next + 1 == c->flows ? 0 : c->next + 1;
	return flow;
}
