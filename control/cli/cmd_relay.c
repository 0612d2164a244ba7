// SPDX-License-Identifier: BSD-3-Clause
// `relay list`, `ports`, `drain`, `undrain` and `remove`.
#include <string.h>

#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/table.h"

static const char *state_text(const json_t *relay)
{
	const char *state = cli_text(relay, "state");

	if (strcmp(state, "in_use") == 0)
		return "in use";
	if (strcmp(state, "drained") == 0 && cli_true(relay, "empty"))
		return "drained: empty";
	return state;
}

static void head(struct cli_table *t)
{
	cli_table_init(t, "lllrrrrr");
	cli_table_row(
		t, "ADDRESS", "PUBLIC", "STATE", "PORTS", "FREE", "TAKEN", "RESTING", "RESERVED");
}

static void add(struct cli_table *t, const char *address, const char *public, const char *state,
	const json_t *load)
{
	char ports[CLI_NUMBER_BYTES], free[CLI_NUMBER_BYTES], taken[CLI_NUMBER_BYTES],
		resting[CLI_NUMBER_BYTES], reserved[CLI_NUMBER_BYTES];

	cli_table_row(t, address, public, state, cli_number(cli_integer(load, "ports"), ports),
		cli_number(cli_integer(load, "free"), free),
		cli_number(cli_integer(load, "taken"), taken),
		cli_number(cli_integer(load, "resting"), resting),
		cli_number(cli_integer(load, "reserved"), reserved));
}

static void add_relay(struct cli_table *t, const json_t *relay)
{
	const char *address = cli_text(relay, "address"), *public = cli_text(relay, "public");

	add(t, address, strcmp(address, public) == 0 ? "" : public, state_text(relay), relay);
}

static void add_total(struct cli_table *t, const char *name, const json_t *total)
{
	char state[80];

	if (cli_integer(total, "addresses") == 0)
		return;
	snprintf(state, sizeof(state), "%lld addresses, %lld out of use",
		(long long)cli_integer(total, "addresses"),
		(long long)(cli_integer(total, "drained") + cli_integer(total, "removed")));
	add(t, name, "", state, total);
}

enum cli_exit cli_relay_list(const struct cli_args *args)
{
	struct cli_table t;
	json_t *result = NULL, *relay;
	size_t i;
	int rc;

	rc = cli_ask_control(args->control_socket, "relay.list", args->params, &result);
	if (rc)
		return cli_explain(rc, result, args->control_socket);
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	head(&t);
	json_array_foreach(json_object_get(result, "relays"), i, relay)
		add_relay(&t, relay);
	cli_table_print(&t, stdout, "");
	json_decref(result);
	return CLI_OK;
}

// Fetches page by page unless the caller gave a limit; the last page's totals count.
static enum cli_exit fetch_ports(const struct cli_args *args, json_t **out)
{
	bool all = !json_object_get(args->params, "limit");
	json_int_t after = cli_integer(args->params, "after");
	json_t *params = json_copy(args->params), *list = json_array(), *page = NULL, *next;
	int rc;

	if (all)
		json_object_set_new(params, "limit", json_integer(500));
	for (;;) {
		rc = cli_ask_control(args->control_socket, "relay.ports", params, &page);
		if (rc)
			break;
		json_array_extend(list, json_object_get(page, "addresses"));
		next = json_object_get(page, "next");
		// A page must lead onwards, or this would never end.
		if (!all || !json_is_integer(next) || json_integer_value(next) <= after)
			break;
		after = json_integer_value(next);
		json_object_set_new(params, "after", json_integer(after));
		json_decref(page);
	}
	json_decref(params);
	if (rc) {
		json_decref(list);
		return cli_explain(rc, page, args->control_socket);
	}
	json_object_set_new(page, "addresses", list);
	*out = page;
	return CLI_OK;
}

enum cli_exit cli_relay_ports(const struct cli_args *args)
{
	json_t *result = NULL, *total, *relay;
	struct cli_table t;
	size_t i;
	enum cli_exit rc = fetch_ports(args, &result);

	if (rc != CLI_OK)
		return rc;
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	head(&t);
	json_array_foreach(json_object_get(result, "addresses"), i, relay)
		add_relay(&t, relay);
	total = json_object_get(result, "total");
	add_total(&t, "all IPv4", json_object_get(total, "ipv4"));
	add_total(&t, "all IPv6", json_object_get(total, "ipv6"));
	cli_table_print(&t, stdout, "");
	if (json_is_integer(json_object_get(result, "next")))
		printf("more: after=%lld\n", (long long)cli_integer(result, "next"));
	json_decref(result);
	return CLI_OK;
}

enum cli_exit cli_relay_change(const struct cli_args *args)
{
	const struct ctl_operation *op = ctl_operation_at((unsigned int)args->command->operation);
	struct cli_table t;
	json_t *result = NULL;
	int rc;

	rc = cli_ask_control(args->control_socket, op->name, args->params, &result);
	if (rc)
		return cli_explain(rc, result, args->control_socket);
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	head(&t);
	add_relay(&t, result);
	cli_table_print(&t, stdout, "");
	json_decref(result);
	return CLI_OK;
}
