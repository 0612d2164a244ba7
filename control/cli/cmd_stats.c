// SPDX-License-Identifier: BSD-3-Clause
// `stats`: totals and, over an interval, rates. From control, or from the dataplane when control is
// dead: the figures are the same, so the exit code is too.
#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "control/api/status.h"
#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/print_stats.h"
#include "control/cli/rates.h"

static void wait_until(uint64_t end_ns)
{
	struct timespec end = {
		.tv_sec = (time_t)(end_ns / TP_NS_PER_S), .tv_nsec = (long)(end_ns % TP_NS_PER_S)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
}

static json_t *sample_dataplane(const struct cli_args *args)
{
	struct tp_status_reply reply;

	if (cli_ask_dataplane(args->dataplane_socket, &reply))
		return NULL;
	return ctl_status_dataplane_json(&reply);
}

// Control answers, and says why it has no figures.
static enum cli_exit explain_both(json_t *error)
{
	cli_explain(-EREMOTEIO, error, "");
	return CLI_NO_ANSWER;
}

static enum cli_exit explain_nobody(const struct cli_args *args, int rc)
{
	cli_explain(rc, NULL, args->control_socket);
	fprintf(stderr, "turnpikectl: the dataplane is not answering either\n");
	return CLI_NO_ANSWER;
}

// One sample from whoever answers. *from_control is tried first and cleared when it is dead.
static enum cli_exit sample(const struct cli_args *args, bool *from_control, json_t **out)
{
	bool say = *from_control;
	json_t *error = NULL;
	int rc = -ECONNREFUSED;

	if (*from_control) {
		rc = cli_ask_control(args->control_socket, "stats", args->params, out);
		if (rc == 0)
			return CLI_OK;
		error = *out;
		*from_control = false;
	}
	// Control may answer and not be attached: the dataplane speaks for itself then.
	*out = sample_dataplane(args);
	if (!*out)
		return rc == -EREMOTEIO ? explain_both(error) : explain_nobody(args, rc);
	json_decref(error);
	if (say)
		fprintf(stderr, "turnpikectl: control %s; figures from the dataplane\n",
			rc == -EREMOTEIO ? "has none" : "is not answering");
	return CLI_OK;
}

enum cli_exit cli_stats(const struct cli_args *args)
{
	uint64_t end_ns = tp_now_ns() + (uint64_t)(args->interval_s * 1e9);
	json_t *before = NULL, *stats = NULL, *rates = NULL;
	bool from_control = true;
	enum cli_exit rc;

	rc = sample(args, &from_control, &stats);
	if (rc == CLI_OK && args->interval_s > 0) {
		before = stats;
		stats = NULL;
		wait_until(end_ns);
		rc = sample(args, &from_control, &stats);
		rates = rc == CLI_OK ? cli_rates(before, stats) : NULL;
	}
	json_decref(before);
	if (rc != CLI_OK)
		return rc;
	json_object_set_new(stats, "source", json_string(from_control ? "control" : "dataplane"));
	if (rates)
		json_object_set_new(stats, "rates", rates);
	if (args->json) {
		cli_print_json(stats);
		return CLI_OK;
	}
	cli_print_stats(stats);
	json_decref(stats);
	return CLI_OK;
}
