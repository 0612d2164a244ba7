// SPDX-License-Identifier: BSD-3-Clause
// `status`: control's view of both processes, or the dataplane's own when control is dead.
#include <errno.h>
#include <string.h>

#include "control/api/jsonrpc.h"
#include "control/api/status.h"
#include "control/api/text.h"
#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/keeper.h"
#include "control/cli/table.h"

static void print_configuration(const json_t *conf, struct cli_table *t)
{
	const json_t *budgets = json_object_get(conf, "unauthenticated");
	char line[240], a[CLI_NUMBER_BYTES], b[CLI_NUMBER_BYTES], c[CLI_NUMBER_BYTES],
		d[CLI_NUMBER_BYTES];

	if (!budgets)
		return;
	snprintf(line, sizeof(line), "%.120s, read %.40s", cli_text(conf, "file"),
		cli_text(conf, "read"));
	cli_table_row(t, "configuration", line);
	snprintf(line, sizeof(line),
		"%s an address, %s a network, %s to control, %s unproven a second%s",
		cli_number(cli_integer(budgets, "requests_per_address"), a),
		cli_number(cli_integer(budgets, "requests_per_network"), b),
		cli_number(cli_integer(budgets, "requests_to_control"), c),
		cli_number(cli_integer(budgets, "requests_unproven"), d),
		cli_true(budgets, "in_force") ? "" : ", not in force yet");
	cli_table_row(t, "budgets", line);
}

static void print_control(const json_t *control, struct cli_table *t)
{
	char a[CLI_NUMBER_BYTES], b[CLI_NUMBER_BYTES], c[CLI_NUMBER_BYTES], line[160];

	if (strcmp(cli_text(control, "state"), "up") != 0) {
		cli_table_row(t, "control", "down");
		return;
	}
	snprintf(line, sizeof(line), "up, pid %lld, version %.40s, since %.40s",
		(long long)cli_integer(control, "pid"), cli_text(control, "version"),
		cli_text(control, "started"));
	cli_table_row(t, "control", line);
	snprintf(line, sizeof(line), "%s allocations, %s permissions, %s channels",
		cli_number(cli_integer(control, "allocations"), a),
		cli_number(cli_integer(control, "permissions"), b),
		cli_number(cli_integer(control, "channels"), c));
	cli_table_row(t, "", line);
	if (cli_integer(control, "synthetic") > 0) {
		snprintf(line, sizeof(line), "%s of the allocations are synthetic",
			cli_number(cli_integer(control, "synthetic"), a));
		cli_table_row(t, "", line);
	}
	print_configuration(json_object_get(control, "configuration"), t);
}

static void print_dataplane(const json_t *dataplane, struct cli_table *t)
{
	char a[CLI_NUMBER_BYTES], b[CLI_NUMBER_BYTES], line[200];
	json_t *port;
	size_t i;

	if (strcmp(cli_text(dataplane, "state"), "up") != 0) {
		cli_table_row(t, "dataplane", "no answer");
		return;
	}
	snprintf(line, sizeof(line), "up, pid %lld, version %.40s, since %.40s",
		(long long)cli_integer(dataplane, "pid"), cli_text(dataplane, "version"),
		cli_text(dataplane, "started"));
	cli_table_row(t, "dataplane", line);
	snprintf(line, sizeof(line), "%lld workers, %s of %s flows, packet memory %s",
		(long long)cli_integer(dataplane, "workers"),
		cli_number(cli_integer(dataplane, "flows"), a),
		cli_number(cli_integer(dataplane, "flow_capacity"), b),
		cli_true(dataplane, "hugepages") ? "in hugepages" : "without hugepages");
	cli_table_row(t, "", line);
	json_array_foreach(json_object_get(dataplane, "ports"), i, port) {
		snprintf(line, sizeof(line), "%.16s: %.16s, %.16s, link %s, MTU %lld",
			cli_text(port, "name"), cli_text(port, "interface"), cli_text(port, "mode"),
			cli_true(port, "link_up") ? "up" : "down",
			(long long)cli_integer(port, "mtu"));
		cli_table_row(t, "port", line);
	}
}

// As control sees it.
static void print_beats(const json_t *control, struct cli_table *t)
{
	const json_t *beats = json_object_get(control, "beats");
	json_t *ms;
	char line[200];
	size_t i, n;

	if (!json_is_integer(json_object_get(beats, "manager_ms")))
		return;
	n = (size_t)snprintf(line, sizeof(line), "manager %lld ms ago%s; workers",
		(long long)cli_integer(beats, "manager_ms"),
		cli_true(beats, "manager_hung") ? " (hangs)" : "");
	json_array_foreach(json_object_get(beats, "worker_ms"), i, ms) {
		if (n < sizeof(line))
			n += (size_t)snprintf(line + n, sizeof(line) - n, "%s %lld", i ? "," : "",
				(long long)json_integer_value(ms));
	}
	cli_table_row(t, "beats", line);
}

static void print_streams(const json_t *control, struct cli_table *t)
{
	const json_t *streams = json_object_get(control, "streams");
	char line[160], number[CLI_NUMBER_BYTES];
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(streams, "processes"), i, p) {
		snprintf(line, sizeof(line), "%.16s, pid %lld, %s clients, attached to control%s%s",
			cli_text(p, "stream"), (long long)cli_integer(p, "pid"),
			cli_number(cli_integer(p, "clients"), number),
			cli_true(p, "ready") ? "" : ", announcing them",
			cli_true(p, "draining") ? ", draining" : "");
		cli_table_row(t, "stream", line);
	}
}

// " udp, tcp"; as many as there is room for.
static const char *transports_text(const json_t *list, char *out, size_t capacity)
{
	json_t *transport;
	size_t i, at = 0;

	out[0] = '\0';
	json_array_foreach(list, i, transport) {
		const char *name = json_string_value(transport);
		if (name && at < capacity)
			at += (size_t)snprintf(
				out + at, capacity - at, "%s %.8s", i ? "," : "", name);
	}
	return out;
}

static void print_listeners(const json_t *control, struct cli_table *t)
{
	json_t *listener;
	char line[160];
	size_t i;

	json_array_foreach(json_object_get(control, "listeners"), i, listener) {
		char transports[40];
		snprintf(line, sizeof(line), "%.60s%s", cli_text(listener, "address"),
			transports_text(json_object_get(listener, "transports"), transports,
				sizeof(transports)));
		cli_table_row(t, "listener", line);
	}
}

static void print_keeper(const json_t *keeper, struct cli_table *t)
{
	static const char *const daemons[] = {"dataplane", "control"};
	char line[CLI_KEEPER_BYTES + 16], restarts[CLI_KEEPER_BYTES];

	if (!keeper)
		return;
	snprintf(line, sizeof(line), "%s, pid %lld",
		cli_true(keeper, "running") ? "up" : "dead, nobody starts anew what dies",
		(long long)cli_integer(keeper, "pid"));
	cli_table_row(t, "keeper", line);
	for (size_t i = 0; i < sizeof(daemons) / sizeof(daemons[0]); i++) {
		snprintf(line, sizeof(line), "%s %s", daemons[i],
			cli_keeper_restarts(keeper, daemons[i], restarts));
		cli_table_row(t, "", line);
	}
}

static void print_status(const json_t *status)
{
	struct cli_table t;
	json_t *reason;
	size_t i;

	cli_table_init(&t, "ll");
	cli_table_row(&t, "state", cli_text(status, "state"));
	json_array_foreach(json_object_get(status, "reasons"), i, reason)
		cli_table_row(&t, "because", json_string_value(reason));
	print_control(json_object_get(status, "control"), &t);
	print_dataplane(json_object_get(status, "dataplane"), &t);
	print_beats(json_object_get(status, "control"), &t);
	print_streams(json_object_get(status, "control"), &t);
	print_listeners(json_object_get(status, "control"), &t);
	print_keeper(json_object_get(status, "keeper"), &t);
	cli_table_print(&t, stdout, "");
}

static enum cli_exit status_exit(const json_t *status)
{
	const char *state = cli_text(status, "state");

	return strcmp(state, "healthy") == 0 ? CLI_OK
	       : strcmp(state, "down") == 0  ? CLI_USAGE
					     : CLI_REFUSED;
}

// Its refusal of one client too many says nothing about the appliance.
static bool too_busy(const json_t *error)
{
	return json_integer_value(json_object_get(error, "code")) == CTL_RPC_BUSY;
}

enum cli_exit cli_status(const struct cli_args *args)
{
	struct tp_status_reply reply;
	enum cli_exit code;
	json_t *status = NULL;
	int rc;

	rc = cli_ask_control(args->control_socket, "status", args->params, &status);
	if (rc == -EREMOTEIO && !too_busy(status))
		return cli_explain(rc, status, args->control_socket);
	if (rc) {
		fprintf(stderr, "turnpikectl: control is not answering (%s)",
			rc == -EREMOTEIO ? "too many clients" : strerror(-rc));
		json_decref(status);
		rc = cli_ask_dataplane(args->dataplane_socket, &reply);
		if (rc)
			fprintf(stderr, ", nor is the dataplane (%s)\n", strerror(-rc));
		else
			fprintf(stderr, "; figures from the dataplane\n");
		status = ctl_status_compose(NULL, rc ? NULL : ctl_status_dataplane_json(&reply));
	}
	code = status_exit(status);
	json_t *keeper = cli_keeper_read(args);
	if (keeper)
		json_object_set_new(status, "keeper", keeper);
	if (args->json) {
		cli_print_json(status);
		return code;
	}
	print_status(status);
	json_decref(status);
	return code;
}
