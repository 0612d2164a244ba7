// SPDX-License-Identifier: BSD-3-Clause
// `upgrade control`: who is in charge now. `upgrade streams`: who serves now, and who is drained.
#include <stdio.h>

#include "common/base/clock.h"
#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/table.h"

#define TIMEOUT_MS 60000 // starting, ending its requests, adopting

static int ask(const struct cli_args *args, const char *operation, json_t **result)
{
	return cli_ask_control_until(args->control_socket, operation, args->params,
		tp_now_ns() + TIMEOUT_MS * TP_NS_PER_MS, result);
}

enum cli_exit cli_upgrade_control(const struct cli_args *args)
{
	json_t *result = NULL;
	struct cli_table t;
	char line[100];
	int rc = ask(args, "upgrade.control", &result);

	if (rc)
		return cli_explain(rc, result, args->control_socket);
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	cli_table_init(&t, "ll");
	snprintf(line, sizeof(line), "%lld", (long long)cli_integer(result, "pid"));
	cli_table_row(&t, "control is now pid", line);
	cli_table_row(&t, "version", cli_text(result, "version"));
	snprintf(line, sizeof(line), "%.1f ms",
		json_number_value(json_object_get(result, "handover_ms")));
	cli_table_row(&t, "requests waited", line);
	cli_table_print(&t, stdout, "");
	json_decref(result);
	return CLI_OK;
}

enum cli_exit cli_upgrade_streams(const struct cli_args *args)
{
	char line[120], clients[CLI_NUMBER_BYTES];
	json_t *result = NULL;
	struct cli_table t;
	int rc = ask(args, "upgrade.streams", &result);

	if (rc)
		return cli_explain(rc, result, args->control_socket);
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	cli_table_init(&t, "ll");
	snprintf(line, sizeof(line), "%lld", (long long)cli_integer(result, "started"));
	cli_table_row(&t, "new processes serve", line);
	snprintf(line, sizeof(line), "%lld, with %s clients",
		(long long)cli_integer(result, "draining"),
		cli_number(cli_integer(result, "clients"), clients));
	cli_table_row(&t, "older ones are drained", line);
	cli_table_print(&t, stdout, "");
	json_decref(result);
	return CLI_OK;
}
