// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/rates.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "control/cli/json.h"

// Whatever the two say: what listens on the socket need not be the dataplane's control.
static int64_t difference(int64_t after, int64_t before)
{
	return (int64_t)((uint64_t)after - (uint64_t)before);
}

static json_t *differences(const json_t *before, const json_t *after, double seconds)
{
	json_t *rates = json_object();
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)after, name, value)
		json_object_set_new(rates, name,
			json_real((double)difference(
					  json_integer_value(value), cli_integer(before, name)) /
				  seconds));
	return rates;
}

json_t *cli_rates(const json_t *before, const json_t *after)
{
	const json_t *old = json_object_get(before, "counters");
	const json_t *new = json_object_get(after, "counters");
	int64_t ns = difference(cli_integer(after, "now_ns"), cli_integer(before, "now_ns"));
	int64_t rx = difference(cli_integer(new, "rx"), cli_integer(old, "rx"));
	int64_t cycles =
		difference(cli_integer(new, "cycles_busy"), cli_integer(old, "cycles_busy"));
	double seconds = (double)ns / 1e9;

	if (ns <= 0 || strcmp(cli_text(before, "instance"), cli_text(after, "instance")) != 0)
		return NULL;
	return json_pack("{s:f, s:o, s:o, s:o}", "interval_s", seconds, "counters",
		differences(old, new, seconds), "drops",
		differences(
			json_object_get(before, "drops"), json_object_get(after, "drops"), seconds),
		"cycles_per_packet", rx > 0 ? json_real((double)cycles / (double)rx) : json_null());
}
