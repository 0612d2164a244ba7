// SPDX-License-Identifier: BSD-3-Clause
// `allocation list`, `show`, `close`, and `help`.
#include <string.h>

#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/table.h"

static void join(const json_t *list, char *out, size_t capacity)
{
	size_t i, at = 0;
	json_t *value;

	out[0] = '\0';
	json_array_foreach(list, i, value) {
		const char *text = json_string_value(value);
		int n = snprintf(
			out + at, capacity - at, "%s%.60s", i ? " " : "", text ? text : "");
		if (n < 0 || (size_t)n >= capacity - at)
			return;
		at += (size_t)n;
	}
}

// One by another transport than UDP shows it; a client on the move, where to; one that may move, a
// mark; a synthetic one has no client.
static const char *client_text(const json_t *a, char *out, size_t capacity)
{
	const char *to = json_string_value(json_object_get(a, "moving_to"));
	const char *transport = json_string_value(json_object_get(a, "transport"));
	bool udp = !transport || strcmp(transport, "udp") == 0;

	snprintf(out, capacity, "%s%s%.8s%s%s", cli_text(a, "client"), udp ? "" : " ",
		udp ? "" : transport, to ? " -> " : "",
		to                         ? to
		: cli_true(a, "synthetic") ? " (synthetic)"
		: cli_true(a, "mobile")    ? " (mobile)"
					   : "");
	return out;
}

static void add_allocations(struct cli_table *t, const json_t *page)
{
	char relayed[160], left[24], client[130];
	json_t *a;
	size_t i;

	json_array_foreach(json_object_get(page, "allocations"), i, a) {
		join(json_object_get(a, "relayed"), relayed, sizeof(relayed));
		snprintf(left, sizeof(left), "%.0f s",
			json_number_value(json_object_get(a, "expires_in_s")));
		cli_table_row(t, cli_text(a, "id"), client_text(a, client, sizeof(client)), relayed,
			cli_text(a, "user"), left);
	}
}

// Fetches page by page unless the caller gave a limit. The result has all allocations and the
// `next` of the last page.
static enum cli_exit fetch_all(const struct cli_args *args, json_t **out)
{
	bool all = !json_object_get(args->params, "limit");
	json_int_t after = cli_integer(args->params, "after");
	json_t *params = json_copy(args->params);
	json_t *list = json_array();

	if (all)
		json_object_set_new(params, "limit", json_integer(500));
	for (;;) {
		json_t *page, *next;
		int rc = cli_ask_control(args->control_socket, "allocation.list", params, &page);
		if (rc) {
			json_decref(params);
			json_decref(list);
			return cli_explain(rc, page, args->control_socket);
		}
		json_array_extend(list, json_object_get(page, "allocations"));
		next = json_incref(json_object_get(page, "next"));
		json_decref(page);
		// A page must lead onwards, or this would never end.
		if (!all || !json_is_integer(next) || json_integer_value(next) <= after) {
			*out = json_pack("{s:o, s:o}", "allocations", list, "next",
				next ? next : json_null());
			break;
		}
		after = json_integer_value(next);
		json_object_set_new(params, "after", next);
	}
	json_decref(params);
	return CLI_OK;
}

enum cli_exit cli_allocation_list(const struct cli_args *args)
{
	struct cli_table t;
	json_t *result = NULL;
	enum cli_exit rc = fetch_all(args, &result);

	if (rc != CLI_OK)
		return rc;
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	cli_table_init(&t, "llllr");
	cli_table_row(&t, "ID", "CLIENT", "RELAYED", "USER", "EXPIRES IN");
	add_allocations(&t, result);
	cli_table_print(&t, stdout, "");
	if (json_is_integer(json_object_get(result, "next")))
		printf("more: after=%lld\n", (long long)cli_integer(result, "next"));
	json_decref(result);
	return CLI_OK;
}

static void print_peers(const json_t *allocation, const char *kind)
{
	struct cli_table t;
	char left[24];
	json_t *p;
	size_t i;

	cli_table_init(&t, "lllr");
	json_array_foreach(json_object_get(allocation, kind), i, p) {
		const char *channel = json_string_value(json_object_get(p, "channel"));
		snprintf(left, sizeof(left), "%.0f s",
			json_number_value(json_object_get(p, "expires_in_s")));
		cli_table_row(&t, channel ? "channel" : "permission", channel ? channel : "",
			cli_text(p, "peer"), left);
	}
	cli_table_print(&t, stdout, "");
}

// Only of a client that leaves what it is sent.
static void add_unread(struct cli_table *t, const json_t *a)
{
	char packets[CLI_NUMBER_BYTES], bytes[CLI_NUMBER_BYTES], queued[CLI_NUMBER_BYTES];
	char line[160];

	if (cli_integer(a, "unread_dropped_packets") == 0)
		return;
	snprintf(line, sizeof(line), "%s packets, %s bytes dropped; %s bytes wait",
		cli_number(cli_integer(a, "unread_dropped_packets"), packets),
		cli_number(cli_integer(a, "unread_dropped_bytes"), bytes),
		cli_number(cli_integer(a, "unread_queued_bytes"), queued));
	cli_table_row(t, "it does not read", line);
}

static void print_connections(const json_t *allocation)
{
	char id[24];
	struct cli_table t;
	json_t *c;
	size_t i;

	cli_table_init(&t, "llll");
	json_array_foreach(json_object_get(allocation, "connections"), i, c) {
		snprintf(id, sizeof(id), "%08llx", (unsigned long long)cli_integer(c, "id"));
		cli_table_row(&t, "connection", id, cli_text(c, "peer"), cli_text(c, "state"));
	}
	cli_table_print(&t, stdout, "");
}

static void print_allocation(const json_t *a)
{
	char relayed[160], packets[CLI_NUMBER_BYTES], bytes[CLI_NUMBER_BYTES], line[120];
	struct cli_table t;

	join(json_object_get(a, "relayed"), relayed, sizeof(relayed));
	cli_table_init(&t, "ll");
	cli_table_row(&t, "id", cli_text(a, "id"));
	cli_table_row(&t, "user", cli_text(a, "user"));
	if (cli_true(a, "synthetic"))
		cli_table_row(&t, "synthetic", "yes, by provision");
	if (json_object_get(a, "realm"))
		cli_table_row(&t, "realm", cli_text(a, "realm"));
	snprintf(line, sizeof(line), "%.80s%s", cli_text(a, "client"),
		cli_true(a, "proxied") ? " (said by a proxy)" : "");
	cli_table_row(&t, "client", line);
	cli_table_row(&t, "transport", cli_text(a, "transport"));
	cli_table_row(&t, "listener", cli_text(a, "listener"));
	snprintf(line, sizeof(line), "yes, %lld moves", (long long)cli_integer(a, "moves"));
	cli_table_row(&t, "mobile", cli_true(a, "mobile") ? line : "no");
	if (json_is_string(json_object_get(a, "moving_to"))) {
		cli_table_row(&t, "moving to", cli_text(a, "moving_to"));
		cli_table_row(&t, "by listener", cli_text(a, "moving_to_listener"));
	}
	cli_table_row(&t, "relayed", relayed);
	cli_table_row(&t, "relays", cli_text(a, "relays"));
	cli_table_row(&t, "started", cli_text(a, "started"));
	snprintf(line, sizeof(line), "%.0f s",
		json_number_value(json_object_get(a, "expires_in_s")));
	cli_table_row(&t, "expires in", line);
	snprintf(line, sizeof(line), "%s packets, %s bytes",
		cli_number(cli_integer(a, "up_packets"), packets),
		cli_number(cli_integer(a, "up_bytes"), bytes));
	cli_table_row(&t, "to peers", line);
	snprintf(line, sizeof(line), "%s packets, %s bytes",
		cli_number(cli_integer(a, "down_packets"), packets),
		cli_number(cli_integer(a, "down_bytes"), bytes));
	cli_table_row(&t, "to client", line);
	add_unread(&t, a);
	if (!cli_true(a, "counters_live"))
		cli_table_row(&t, "", "the dataplane is not answering: these are old");
	cli_table_print(&t, stdout, "");
	print_peers(a, "permissions");
	print_peers(a, "channels");
	print_connections(a);
}

enum cli_exit cli_allocation_show(const struct cli_args *args)
{
	enum cli_exit code;
	json_t *result = NULL;
	int rc;

	rc = cli_ask_control(args->control_socket, "allocation.show", args->params, &result);
	if (rc)
		return cli_explain(rc, result, args->control_socket);
	code = cli_true(result, "counters_live") ? CLI_OK : CLI_DEGRADED;
	if (args->json) {
		cli_print_json(result);
		return code;
	}
	print_allocation(result);
	json_decref(result);
	return code;
}

enum cli_exit cli_allocation_close(const struct cli_args *args)
{
	struct cli_table t;
	json_t *result = NULL;
	int rc;

	rc = cli_ask_control(args->control_socket, "allocation.close", args->params, &result);
	if (rc)
		return cli_explain(rc, result, args->control_socket);
	if (args->json) {
		cli_print_json(result);
		return CLI_OK;
	}
	cli_table_init(&t, "ll");
	cli_table_row(&t, "closed", cli_text(result, "closed"));
	cli_table_print(&t, stdout, "");
	json_decref(result);
	return CLI_OK;
}

enum cli_exit cli_help(const struct cli_args *args)
{
	if (args->json)
		cli_print_json(ctl_operations_describe());
	else
		cli_usage(stdout);
	return CLI_OK;
}
