// SPDX-License-Identifier: BSD-3-Clause
// How many requests of strangers by TCP and TLS are taken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

// After those.
#include <cmocka.h>

#include "control/io/stream_budget.h"

#define T0 (UINT64_C(1000) * TP_NS_PER_S)

static struct tp_ip ip(const char *text)
{
	struct tp_ip out;

	assert_int_equal(tp_ip_parse(text, &out), 0);
	return out;
}

// How many of `n` requests are taken, all at once.
static unsigned int ask(struct ctl_stream_budget *b, const struct ctl_stream_budget_rates *rates,
	const char *from, unsigned int n, uint64_t now_ns)
{
	const struct tp_ip source = ip(from);
	unsigned int taken = 0;

	while (n-- > 0)
		taken += ctl_stream_budget_take(b, rates, &source, now_ns);
	return taken;
}

static void an_address_has_its_budget(void **state)
{
	const struct ctl_stream_budget_rates rates = {.per_address = 10};
	struct ctl_stream_budget *b;

	assert_int_equal(ctl_stream_budget_create(&b), 0);
	assert_int_equal(ask(b, &rates, "203.0.113.7", 50, T0), 10);
	assert_int_equal(ask(b, &rates, "203.0.113.8", 50, T0), 10);
	assert_int_equal(ask(b, &rates, "203.0.113.7", 50, T0 + TP_NS_PER_S / 2), 5);
	// Of IPv6 a /64 is one.
	assert_int_equal(ask(b, &rates, "2001:db8::1", 7, T0), 7);
	assert_int_equal(ask(b, &rates, "2001:db8::2", 50, T0), 3);
	assert_int_equal(ask(b, &rates, "2001:db8:0:1::2", 50, T0), 10);
	ctl_stream_budget_destroy(b);
}

static void a_network_has_its_budget(void **state)
{
	const struct ctl_stream_budget_rates rates = {.per_address = 10, .per_network = 15};
	struct ctl_stream_budget *b;

	assert_int_equal(ctl_stream_budget_create(&b), 0);
	assert_int_equal(ask(b, &rates, "203.0.113.7", 50, T0), 10);
	assert_int_equal(ask(b, &rates, "203.0.113.8", 50, T0), 5);
	assert_int_equal(ask(b, &rates, "203.0.114.8", 50, T0), 10);
	ctl_stream_budget_destroy(b);
}

static void nobody_has_all_of_it(void **state)
{
	const struct ctl_stream_budget_rates rates = {.all = 100};
	struct ctl_stream_budget *b;

	assert_int_equal(ctl_stream_budget_create(&b), 0);
	assert_int_equal(ask(b, &rates, "203.0.113.7", 200, T0), 50);
	assert_in_range(ask(b, &rates, "203.0.113.8", 200, T0), 24, 26); // of three quarters
	assert_in_range(ask(b, &rates, "2001:db8::1", 200, T0), 24, 26);
	assert_int_equal(ask(b, &rates, "192.0.2.1", 200, T0), 0);
	ctl_stream_budget_destroy(b);
}

static void zero_is_no_limit(void **state)
{
	const struct ctl_stream_budget_rates rates = {0};
	struct ctl_stream_budget *b;

	assert_int_equal(ctl_stream_budget_create(&b), 0);
	assert_int_equal(ask(b, &rates, "203.0.113.7", 100000, T0), 100000);
	ctl_stream_budget_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_its_budget),
		cmocka_unit_test(a_network_has_its_budget),
		cmocka_unit_test(nobody_has_all_of_it),
		cmocka_unit_test(zero_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
