// SPDX-License-Identifier: BSD-3-Clause
// `reload`: the configuration file read again. Names options, never values: some are secrets.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/operations.h"
#include "control/api/text.h"
#include "control/loop/reload.h"

#define PROBLEMS_BYTES 8192 // told to the caller; the log has all

static json_t *describe(const struct ctl *ctl, const struct ctl_reload *r, bool check)
{
	json_t *live = json_array(), *restart = json_array();

	for (size_t i = 0; i < r->n_changed; i++) {
		const char *of = ctl_reload_restart(r->changed[i]);
		if (of)
			json_array_append_new(restart,
				json_pack("{s:s, s:s}", "option", r->changed[i]->path, "of", of));
		else
			json_array_append_new(live, json_string(r->changed[i]->path));
	}
	return json_pack("{s:o, s:b, s:o, s:o}", "file",
		ctl_json_text(ctl->conf->path, strlen(ctl->conf->path)), "checked_only", check,
		"live", live, "restart", restart);
}

void ctl_op_reload(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	bool check = json_is_true(json_object_get(params, "check"));
	char problems[PROBLEMS_BYTES] = "";
	FILE *errors = fmemopen(problems, sizeof(problems), "w");
	struct ctl_reload r;
	int rc;

	if (!errors) {
		ctl_call_fail(call, CTL_RPC_INTERNAL, "out of memory");
		return;
	}
	rc = ctl_reload(ctl, check, &r, errors);
	fclose(errors);
	// One line a problem; what was too much is cut off.
	problems[sizeof(problems) - 1] = '\0';
	if (problems[0])
		problems[strlen(problems) - 1] = '\0';
	if (rc)
		ctl_call_fail(call, CTL_RPC_REFUSED, problems);
	else
		ctl_call_reply(call, describe(ctl, &r, check));
}
