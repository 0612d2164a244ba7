// SPDX-License-Identifier: BSD-3-Clause
// `reload`: what was applied, what needs a restart, or what is wrong with the file.
#include <errno.h>
#include <string.h>

#include "control/api/jsonrpc.h"
#include "control/api/text.h"
#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/table.h"

// One problem a line.
static enum cli_exit explain_problems(json_t *error)
{
	const char *at = cli_text(error, "message");
	char line[1024], text[2048];

	while (*at) {
		size_t length = strcspn(at, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)length, at);
		fprintf(stderr, "turnpikectl: %s\n", ctl_text_escape(line, text, sizeof(text)));
		at += length + (at[length] == '\n');
	}
	fprintf(stderr, "turnpikectl: nothing was changed\n");
	json_decref(error);
	return CLI_REFUSED;
}

static void print(const json_t *result)
{
	bool check = cli_true(result, "checked_only");
	struct cli_table t;
	json_t *entry;
	char line[300];
	size_t i;

	cli_table_init(&t, "ll");
	cli_table_row(&t, check ? "checked" : "reloaded", cli_text(result, "file"));
	json_array_foreach(json_object_get(result, "live"), i, entry)
		cli_table_row(&t, check ? "would change" : "changed", json_string_value(entry));
	json_array_foreach(json_object_get(result, "restart"), i, entry) {
		snprintf(line, sizeof(line), "%.200s: restart %.60s", cli_text(entry, "option"),
			cli_text(entry, "of"));
		cli_table_row(&t, "keeps its old value", line);
	}
	cli_table_print(&t, stdout, "");
}

enum cli_exit cli_reload(const struct cli_args *args)
{
	json_t *result = NULL;
	int rc = cli_ask_control(args->control_socket, "reload", args->params, &result);

	if (rc == -EREMOTEIO && cli_integer(result, "code") == CTL_RPC_REFUSED)
		return explain_problems(result);
	if (rc)
		return cli_explain(rc, result, args->control_socket);
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	print(result);
	json_decref(result);
	return CLI_OK;
}
