// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "bench/pcap/pcap.h"

#define DRAWS 200000

static uint32_t *draw(const struct pcap_options *o)
{
	uint32_t *count = calloc(o->flows, sizeof(*count));
	struct pcap_chooser c;

	pcap_chooser_init(&c, o);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t flow = pcap_choose(&c);
		assert_true(flow < o->flows);
		count[flow]++;
	}
	return count;
}

static void round_robin_takes_all_in_turn(void **state)
{
	const struct pcap_options o = {.choice = PCAP_ROUND_ROBIN, .flows = 7};
	struct pcap_chooser c;

	pcap_chooser_init(&c, &o);
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(pcap_choose(&c), i % 7);
}

static void uniform_prefers_none(void **state)
{
	const struct pcap_options o = {.choice = PCAP_UNIFORM, .flows = 100, .seed = 1};
	uint32_t *count = draw(&o);

	for (int i = 0; i < 100; i++)
		assert_in_range(count[i], DRAWS / 100 * 0.85, DRAWS / 100 * 1.15);
	free(count);
}

// Rank k has a share of 1 / k of the harmonic number, with exponent 1.
static void zipf_has_the_shares_of_its_ranks(void **state)
{
	const double exponents[] = {1, 0.8, 1.5};

	for (int e = 0; e < 3; e++) {
		const struct pcap_options o = {
			.choice = PCAP_ZIPF, .flows = 64512, .exponent = exponents[e], .seed = 1};
		uint32_t *count = draw(&o);
		double sum = 0;
		for (int k = 1; k <= 64512; k++)
			sum += __builtin_pow(k, -o.exponent);
		for (uint64_t k = 1; k <= 8; k++) {
			double expected = DRAWS * __builtin_pow((double)k, -o.exponent) / sum;
			uint64_t flow = (k - 1) * UINT64_C(2654435761) % o.flows;
			assert_in_range(count[flow], expected * 0.85, expected * 1.15 + 1);
		}
		free(count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_takes_all_in_turn),
		cmocka_unit_test(uniform_prefers_none),
		cmocka_unit_test(zipf_has_the_shares_of_its_ranks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
