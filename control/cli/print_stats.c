// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/print_stats.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/abi/stats.h"
#include "control/auth/auth_failure.h"
#include "control/cli/json.h"
#include "control/cli/table.h"

static const char *counter_text(const char *name, const char *(*text)(unsigned int))
{
	for (unsigned int i = 0; i < TP_COUNTERS; i++)
		if (strcmp(tp_counter_name(i), name) == 0)
			return text(i);
	return "";
}

static const char *drop_help(const char *name)
{
	for (unsigned int i = 0; i < TP_DROPS; i++)
		if (strcmp(tp_drop_name(i), name) == 0)
			return tp_drop_help(i);
	return "";
}

static const char *rate_text(const json_t *rates, const char *name, char out[CLI_NUMBER_BYTES])
{
	const json_t *rate = json_object_get(rates, name);

	if (!rate)
		return "";
	double per_second = json_real_value(rate) + 0.5;
	// What an int64_t cannot hold is no rate.
	return fabs(per_second) < 0x1p63 ? cli_number((int64_t)per_second, out) : "?";
}

static void print_counters(const json_t *stats)
{
	const json_t *rates = json_object_get(json_object_get(stats, "rates"), "counters");
	char total[CLI_NUMBER_BYTES], rate[CLI_NUMBER_BYTES];
	struct cli_table t;
	const char *name;
	json_t *value;

	cli_table_init(&t, "lrrll");
	cli_table_row(&t, "COUNTER", "TOTAL", rates ? "PER SECOND" : "", "UNIT", "");
	json_object_foreach(json_object_get(stats, "counters"), name, value)
		cli_table_row(&t, name, cli_number(json_integer_value(value), total),
			rate_text(rates, name, rate), counter_text(name, tp_counter_unit),
			counter_text(name, tp_counter_help));
	cli_table_print(&t, stdout, "");
}

static void print_drops(const json_t *stats)
{
	const json_t *rates = json_object_get(json_object_get(stats, "rates"), "drops");
	char total[CLI_NUMBER_BYTES], rate[CLI_NUMBER_BYTES];
	struct cli_table t;
	const char *name;
	json_t *value;

	cli_table_init(&t, "lrrl");
	cli_table_row(&t, "DROPS", "PACKETS", rates ? "PER SECOND" : "", "");
	json_object_foreach(json_object_get(stats, "drops"), name, value) {
		if (json_integer_value(value) == 0)
			continue;
		cli_table_row(&t, name, cli_number(json_integer_value(value), total),
			rate_text(rates, name, rate), drop_help(name));
	}
	if (t.n_rows == 1)
		cli_table_row(&t, "none", "0", "", "");
	cli_table_print(&t, stdout, "");
}

static const char *failure_help(const char *name)
{
	for (unsigned int i = 0; i < CTL_AUTH_FAILURES; i++)
		if (strcmp(ctl_auth_failure_name(i), name) == 0)
			return ctl_auth_failure_help(i);
	return "";
}

// Control's; nothing when the figures are from the dataplane.
static void print_auth_failures(const json_t *stats)
{
	const json_t *failures =
		json_object_get(json_object_get(stats, "control"), "auth_failures");
	char total[CLI_NUMBER_BYTES];
	struct cli_table t;
	const char *name;
	json_t *value;

	if (!json_is_object(failures))
		return;
	cli_table_init(&t, "lrl");
	cli_table_row(&t, "AUTHENTICATION", "REFUSED", "");
	json_object_foreach((json_t *)(uintptr_t)failures, name, value) {
		if (json_integer_value(value) == 0)
			continue;
		cli_table_row(
			&t, name, cli_number(json_integer_value(value), total), failure_help(name));
	}
	if (t.n_rows == 1)
		cli_table_row(&t, "none", "0", "");
	cli_table_print(&t, stdout, "");
	printf("\n");
}

// What control counts of third-party authorization, once a token has come.
static void print_oauth(const json_t *control)
{
	static const struct {
		const char *name, *help;
	} rows[] = {
#define OAUTH_RESULT(name, help) {"oauth_" #name, help},
#include "control/auth/oauth_result.def"
#undef OAUTH_RESULT
	};
	const size_t n = sizeof(rows) / sizeof(rows[0]);
	char total[CLI_NUMBER_BYTES];
	struct cli_table t;
	int64_t tokens = 0;

	for (size_t i = 0; i < n; i++)
		tokens += cli_integer(control, rows[i].name);
	if (tokens == 0)
		return;
	cli_table_init(&t, "lrl");
	cli_table_row(&t, "ACCESS TOKENS", "TOTAL", "");
	for (size_t i = 0; i < n; i++)
		if (cli_integer(control, rows[i].name) != 0)
			cli_table_row(&t, rows[i].name,
				cli_number(cli_integer(control, rows[i].name), total),
				rows[i].help);
	printf("\n");
	cli_table_print(&t, stdout, "");
}

static void add_group(struct cli_table *t, const char *prefix, const json_t *group)
{
	char total[CLI_NUMBER_BYTES], name[80];
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)group, key, value) {
		snprintf(name, sizeof(name), "%s %.60s", prefix, key);
		cli_table_row(t, name, cli_number(json_integer_value(value), total), "frames");
	}
}

static void print_port(const json_t *port)
{
	char total[CLI_NUMBER_BYTES];
	struct cli_table t;

	cli_table_init(&t, "lrl");
	cli_table_row(&t, "PORT", cli_text(port, "name"), cli_text(port, "interface"));
	cli_table_row(&t, "rx", cli_number(cli_integer(port, "rx"), total), "frames");
	cli_table_row(&t, "tx", cli_number(cli_integer(port, "tx"), total), "frames");
	add_group(&t, "steering", json_object_get(port, "steering"));
	add_group(&t, "xdp", json_object_get(port, "xdp"));
	cli_table_print(&t, stdout, "");
}

static void print_books(const json_t *books)
{
	static const char *const sides[] = {
		"rx", "stream_up", "tx", "drops", "punted", "stream_down", "held"};
	char text[CLI_NUMBER_BYTES];
	struct cli_table t;

	cli_table_init(&t, "lrl");
	cli_table_row(&t, "BOOKS", "PACKETS",
		"rx + stream_up = tx + drops + punted + stream_down + held");
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++)
		cli_table_row(&t, sides[i], cli_number(cli_integer(books, sides[i]), text), "");
	cli_table_row(&t, "difference", cli_number(cli_integer(books, "difference"), text),
		cli_integer(books, "difference") == 0
			? ""
			: "not closed: packets in flight, or a fault");
	cli_table_print(&t, stdout, "");
}

static void print_cycles(const json_t *stats)
{
	const json_t *now = json_object_get(json_object_get(stats, "rates"), "cycles_per_packet");
	const json_t *total = json_object_get(stats, "cycles_per_packet");

	if (json_is_real(total))
		printf("cycles per packet: %.0f since start", json_real_value(total));
	else
		printf("cycles per packet: -");
	if (json_is_real(now))
		printf(", %.0f in the interval", json_real_value(now));
	printf("\n");
}

void cli_print_stats(const json_t *stats)
{
	json_t *port;
	size_t i;

	print_counters(stats);
	printf("\n");
	print_drops(stats);
	print_oauth(json_object_get(stats, "control"));
	json_array_foreach(json_object_get(stats, "ports"), i, port) {
		printf("\n");
		print_port(port);
	}
	printf("\n");
	print_auth_failures(stats);
	print_books(json_object_get(stats, "books"));
	printf("\n");
	print_cycles(stats);
}
