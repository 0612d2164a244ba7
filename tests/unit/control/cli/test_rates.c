// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/api/status.h"
#include "control/cli/print_stats.h"
#include "control/cli/rates.h"
#include "control/cli/table.h"

static struct tp_status_reply sample(uint64_t now_ns, uint64_t rx, uint64_t cycles)
{
	struct tp_status_reply r = {.instance = 5, .now_ns = now_ns};

	r.counter[TP_COUNTER_rx] = rx;
	r.counter[TP_COUNTER_cycles_busy] = cycles;
	r.drop[TP_DROP_no_route] = rx / 10;
	return r;
}

static json_t *rates_of(const struct tp_status_reply *a, const struct tp_status_reply *b)
{
	json_t *before = ctl_status_dataplane_json(a), *after = ctl_status_dataplane_json(b);
	json_t *rates = cli_rates(before, after);

	json_decref(before);
	json_decref(after);
	return rates;
}

static double at(const json_t *o, const char *group, const char *key)
{
	return json_real_value(json_object_get(json_object_get(o, group), key));
}

static void differences_over_the_time_between(void **state)
{
	struct tp_status_reply a = sample(1000000000, 100, 50000);
	struct tp_status_reply b = sample(3000000000, 300, 90000);
	json_t *rates = rates_of(&a, &b);

	assert_true(at(rates, "counters", "rx") == 100.0);
	assert_true(at(rates, "drops", "no_route") == 10.0);
	assert_true(json_real_value(json_object_get(rates, "interval_s")) == 2.0);
	assert_true(json_real_value(json_object_get(rates, "cycles_per_packet")) == 200.0);
	json_decref(rates);
}

static void no_packets_no_cycles_per_packet(void **state)
{
	struct tp_status_reply a = sample(1000000000, 100, 50000);
	struct tp_status_reply b = sample(2000000000, 100, 50000);
	json_t *rates = rates_of(&a, &b);

	assert_true(json_is_null(json_object_get(rates, "cycles_per_packet")));
	json_decref(rates);
}

static void nothing_over_a_restart_or_no_time(void **state)
{
	struct tp_status_reply a = sample(1000000000, 100, 50000), b = a;

	assert_null(rates_of(&a, &b));
	b.now_ns += 1000000000;
	b.instance = 6;
	assert_null(rates_of(&a, &b));
}

// Under UBSan: what answers on the socket may say anything.
static void figures_beyond_reason_do_no_harm(void **state)
{
	static const char text[] = "{\"now_ns\": %s, \"instance\": \"1\", "
				   "\"counters\": {\"rx\": %s, \"cycles_busy\": %s}}";
	static const char *const most = "9223372036854775807", *const least =
								       "-9223372036854775808";
	char line[300];
	json_t *before, *after, *rates;

	snprintf(line, sizeof(line), text, "1", least, most);
	before = json_loads(line, 0, NULL);
	snprintf(line, sizeof(line), text, "2", most, least);
	after = json_loads(line, 0, NULL);
	rates = cli_rates(before, after);
	assert_non_null(rates);
	json_object_set_new(after, "rates", rates);
	json_object_set_new(json_object_get(rates, "counters"), "rx", json_real(1e300));
	cli_print_stats(after);
	json_decref(before);
	json_decref(after);
}

static void numbers_are_grouped(void **state)
{
	char text[CLI_NUMBER_BYTES];

	assert_string_equal(cli_number(0, text), "0");
	assert_string_equal(cli_number(999, text), "999");
	assert_string_equal(cli_number(1000, text), "1,000");
	assert_string_equal(cli_number(-1234567, text), "-1,234,567");
	assert_string_equal(cli_number(INT64_MIN, text), "-9,223,372,036,854,775,808");
}

static void columns_are_aligned_and_escaped(void **state)
{
	struct cli_table t;
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	cli_table_init(&t, "lrl");
	cli_table_row(&t, "a", "1", "x");
	cli_table_row(&t, "\xc3\xa4\xc3\xa4\xc3\xa4", "1000", NULL);
	cli_table_row(&t, "\x1b[", "", "y");
	cli_table_print(&t, out, " ");
	fclose(out);
	assert_string_equal(text, " a         1  x\n"
				  " \xc3\xa4\xc3\xa4\xc3\xa4    1000  \n"
				  " \\x1b[        y\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differences_over_the_time_between),
		cmocka_unit_test(no_packets_no_cycles_per_packet),
		cmocka_unit_test(nothing_over_a_restart_or_no_time),
		cmocka_unit_test(figures_beyond_reason_do_no_harm),
		cmocka_unit_test(numbers_are_grouped),
		cmocka_unit_test(columns_are_aligned_and_escaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
