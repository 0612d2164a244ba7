// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "control/auth/prepare.h"
#include "control/loop/session.h"

const char *ctl_reload_restart(const struct conf_option *option)
{
	switch (option->change) {
	case CONF_CHANGE_RESTART_CONTROL:
		return "turnpike-control";
	case CONF_CHANGE_RESTART_DATAPLANE:
		return "turnpike-dataplane";
	case CONF_CHANGE_STREAMS:
		return "turnpike-stream";
	case CONF_CHANGE_RESTART_BOTH:
		return "both daemons";
	default:
		return NULL;
	}
}

static int apply(struct ctl *ctl, struct conf *fresh, FILE *errors)
{
	struct conf *old = ctl->conf;
	int rc = ctl_session_reload(ctl->session, fresh);

	if (rc) {
		fprintf(errors, "%s: cannot be applied: %s\n", old->path, strerror(-rc));
		return rc;
	}
	tp_log_limit((enum tp_log_level)fresh->log_level);
	ctl->conf_wall_ns = tp_wall_ns();
	conf_free(old);
	return 0;
}

static void log_changes(const struct conf *conf, const struct ctl_reload *r)
{
	size_t live = 0;

	for (size_t i = 0; i < r->n_changed; i++) {
		const char *restart = ctl_reload_restart(r->changed[i]);
		live += restart == NULL;
		if (restart)
			tp_warning("%s: %s keeps its old value until a restart of %s", conf->path,
				r->changed[i]->path, restart);
		else
			tp_notice("%s: %s changed", conf->path, r->changed[i]->path);
	}
	tp_notice("%s read again: %zu options changed, %zu need a restart", conf->path, live,
		r->n_changed - live);
}

static int load(struct ctl *ctl, bool check, struct ctl_reload *out, FILE *errors)
{
	struct conf_reload r;
	int rc = conf_reload(ctl->conf, ctl_auth_prepare, &r, errors);

	if (rc)
		return rc;
	if (check)
		conf_free(r.conf);
	else
		rc = apply(ctl, r.conf, errors);
	if (rc) {
		conf_free(r.conf);
		return rc;
	}
	memcpy(out->changed, r.changed, sizeof(out->changed));
	out->n_changed = r.n_changed;
	if (!check)
		log_changes(ctl->conf, out);
	return 0;
}

// Lines are logged one by one and copied to the caller.
static void tell(char *problems, FILE *errors)
{
	for (char *rest = problems, *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (!line[0])
			continue;
		tp_error("%s", line);
		if (errors)
			fprintf(errors, "%s\n", line);
	}
}

int ctl_reload(struct ctl *ctl, bool check, struct ctl_reload *out, FILE *errors)
{
	char *problems = NULL;
	size_t length;
	FILE *stream = open_memstream(&problems, &length);
	int rc = -ENOMEM;

	*out = (struct ctl_reload){0};
	if (stream) {
		rc = load(ctl, check, out, stream);
		if (fclose(stream) == 0)
			tell(problems, errors);
	}
	free(problems);
	if (rc)
		tp_error("%s: the old configuration stays in force", ctl->conf->path);
	return rc;
}
