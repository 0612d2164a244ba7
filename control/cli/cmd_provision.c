// SPDX-License-Identifier: BSD-3-Clause
// `provision`, `unprovision`: begun, then watched to their end. `provision status` only asks.
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "control/api/text.h"
#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/table.h"

#define ASK_EVERY_MS  50
#define TELL_EVERY_NS TP_NS_PER_S

static bool is_state(const json_t *job, const char *state)
{
	return strcmp(cli_text(job, "state"), state) == 0;
}

static bool under_way(const json_t *job)
{
	return is_state(job, "making") || is_state(job, "removing");
}

static void tell_progress(const json_t *job)
{
	char done[CLI_NUMBER_BYTES], wanted[CLI_NUMBER_BYTES];

	if (is_state(job, "making"))
		fprintf(stderr, "made %s of %s\n", cli_number(cli_integer(job, "made"), done),
			cli_number(cli_integer(job, "wanted"), wanted));
	else
		fprintf(stderr, "removed %s, %s left\n",
			cli_number(cli_integer(job, "removed"), done),
			cli_number(cli_integer(job, "synthetic"), wanted));
}

// Until the job ends; *job is replaced. 0, or as of cli_ask_control with the error in *job.
static int watch(const struct cli_args *args, json_t **job)
{
	json_t *nothing = json_object();
	uint64_t told_ns = tp_now_ns();
	int rc = 0;

	while (rc == 0 && under_way(*job)) {
		if (tp_now_ns() - told_ns > TELL_EVERY_NS) {
			tell_progress(*job);
			told_ns = tp_now_ns();
		}
		poll(NULL, 0, ASK_EVERY_MS);
		json_decref(*job);
		*job = NULL;
		rc = cli_ask_control(args->control_socket, "provision.status", nothing, job);
	}
	json_decref(nothing);
	return rc;
}

static void row(struct cli_table *t, const json_t *job, const char *key, const char *title)
{
	char number[CLI_NUMBER_BYTES];

	cli_table_row(t, title, cli_number(cli_integer(job, key), number));
}

static void print_numbering(const json_t *numbering)
{
	struct cli_table t;
	const char *key;
	json_t *value;

	cli_table_init(&t, "ll");
	cli_table_row(&t, "listener", cli_text(numbering, "listener"));
	json_object_foreach(json_object_get(numbering, "formula"), key, value)
		cli_table_row(&t, key, json_string_value(value));
	cli_table_print(&t, stdout, "  ");
}

static void print(const json_t *job)
{
	const json_t *numbering = json_object_get(job, "numbering");
	struct cli_table t;
	char time[40];

	cli_table_init(&t, "ll");
	cli_table_row(&t, "state", cli_text(job, "state"));
	row(&t, job, "synthetic", "synthetic allocations");
	row(&t, job, "made", "made");
	row(&t, job, "removed", "removed");
	snprintf(time, sizeof(time), "%.3f s", json_number_value(json_object_get(job, "seconds")));
	cli_table_row(&t, "time", time);
	cli_table_print(&t, stdout, "");
	if (json_is_object(numbering))
		print_numbering(numbering);
}

// `whole`: the answer is what became of the job.
static enum cli_exit finish(const struct cli_args *args, json_t *job, bool whole)
{
	enum cli_exit code = whole && is_state(job, "failed") ? CLI_REFUSED : CLI_OK;
	char text[512];

	if (json_is_string(json_object_get(job, "error")))
		fprintf(stderr, "turnpikectl: %s\n",
			ctl_text_escape(cli_text(job, "error"), text, sizeof(text)));
	if (args->json) {
		cli_print_json(job);
		return code;
	}
	print(job);
	json_decref(job);
	return code;
}

static enum cli_exit run(const struct cli_args *args, const char *method, bool whole)
{
	json_t *job = NULL;
	int rc = cli_ask_control(args->control_socket, method, args->params, &job);

	if (rc == 0 && whole)
		rc = watch(args, &job);
	if (rc)
		return cli_explain(rc, job, args->control_socket);
	return finish(args, job, whole);
}

enum cli_exit cli_provision(const struct cli_args *args)
{
	return run(args, "provision", true);
}

enum cli_exit cli_unprovision(const struct cli_args *args)
{
	return run(args, "unprovision", true);
}

enum cli_exit cli_provision_status(const struct cli_args *args)
{
	return run(args, "provision.status", false);
}
