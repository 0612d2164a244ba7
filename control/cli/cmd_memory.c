// SPDX-License-Identifier: BSD-3-Clause
// `memory`: each process measures itself and is asked by itself, so one that is dead takes nothing
// from what the other says.
#include <errno.h>
#include <string.h>

#include "control/api/memory.h"
#include "control/api/text.h"
#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/table.h"

static int ask_dataplane(const struct cli_args *args, json_t **out)
{
	struct tp_memory_reply reply;
	int rc = cli_ask_memory(args->dataplane_socket, &reply);

	if (rc)
		return rc;
	*out = ctl_memory_json(&reply.memory);
	json_object_set_new(*out, "pid", json_integer(reply.pid));
	json_object_set_new(
		*out, "session_region_bytes", json_integer((json_int_t)reply.region_bytes));
	return 0;
}

static void say_missing(const char *who, const char *path, int rc)
{
	char text[1024];

	ctl_text_escape(path, text, sizeof(text));
	fprintf(stderr, "turnpikectl: %s does not say what its memory is made of (%s): %s\n", who,
		text,
		rc == -EOPNOTSUPP || rc == -EREMOTEIO ? "it is of an earlier version"
						      : strerror(-rc));
}

// A column of the table; empty where that process said nothing.
static const char *cell(const json_t *process, const char *key, char out[CLI_NUMBER_BYTES])
{
	const json_t *value = json_object_get(process, key);

	return json_is_integer(value) ? cli_number(json_integer_value(value), out) : "";
}

static void add(struct cli_table *t, const char *name, const json_t *dataplane,
	const json_t *control, const char *key, const char *what)
{
	char d[CLI_NUMBER_BYTES], c[CLI_NUMBER_BYTES];
	const char *left = cell(dataplane, key, d), *right = cell(control, key, c);

	if (*left || *right)
		cli_table_row(t, name, left, right, what);
}

static void print(const json_t *dataplane, const json_t *control)
{
	const json_t *d = json_object_get(dataplane, "parts");
	const json_t *c = json_object_get(control, "parts");
	struct cli_table t;

	cli_table_init(&t, "lrrl");
	cli_table_row(&t, "BYTES", "DATAPLANE", "CONTROL", "");
	add(&t, "resident", dataplane, control, "resident_bytes",
		"as the kernel counts it (VmRSS)");
	add(&t, "hugepages", dataplane, control, "hugetlb_bytes", "which it counts apart");
	for (unsigned int i = 0; i < TP_MEMORY_PARTS; i++) {
		const char *name = tp_memory_part_name(i);
		char indented[64];
		snprintf(indented, sizeof(indented), "  %s", name);
		add(&t, indented, d, c, name, tp_memory_part_help(i));
	}
	add(&t, "  unexplained", dataplane, control, "unexplained_bytes",
		"changed while it was measured");
	add(&t, "region file", dataplane, NULL, "session_region_bytes",
		"pages of the session region, whoever touched them");
	cli_table_print(&t, stdout, "");
}

enum cli_exit cli_memory(const struct cli_args *args)
{
	json_t *dataplane = NULL, *control = NULL;
	int dataplane_rc = ask_dataplane(args, &dataplane);
	int control_rc = cli_ask_control(args->control_socket, "memory", args->params, &control);

	if (control_rc) { // what a refusal says is not what was asked for
		json_decref(control);
		control = NULL;
		say_missing("control", args->control_socket, control_rc);
	}
	if (dataplane_rc)
		say_missing("dataplane", args->dataplane_socket, dataplane_rc);
	if (args->json)
		cli_print_json(
			json_pack("{s:O?, s:O?}", "dataplane", dataplane, "control", control));
	else if (dataplane || control)
		print(dataplane, control);
	json_decref(dataplane);
	json_decref(control);
	if (!dataplane && !control)
		return CLI_NO_ANSWER;
	return dataplane && control ? CLI_OK : CLI_DEGRADED;
}
