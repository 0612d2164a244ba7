// SPDX-License-Identifier: BSD-3-Clause
// turnpike-control: STUN and TURN semantics, authentication, the life of allocations, the control
// socket, metrics. Its end, orderly or not, ends no allocation.
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "config/conf_main.h"
#include "control/api/metrics.h"
#include "control/api/operations.h"
#include "control/api/server.h"
#include "control/auth/prepare.h"
#include "control/ctl.h"
#include "control/dpcmd/client.h"
#include "control/loop/lock.h"
#include "control/loop/loop.h"
#include "control/loop/match.h"
#include "control/loop/session.h"

#define WRITE_TIMEOUT_S 10 // an operator's tool that reads nothing for so long is cut off
#define IDLE_TIMEOUT_S  60 // and one that asks nothing

static int take_lock(const struct conf *conf)
{
	pid_t holder;
	int fd = ctl_lock_take(conf->run_directory, &holder);

	if (fd == -EBUSY)
		tp_error("another turnpike-control (pid %d) works in %s", holder,
			conf->run_directory);
	else if (fd < 0)
		tp_error("run directory %s: %s", conf->run_directory, strerror(-fd));
	return fd;
}

static int create_dataplane(struct ctl *ctl)
{
	struct ctl_dataplane_options options = {.base = ctl->base,
		.attached = ctl_session_attached,
		.detached = ctl_session_detached,
		.context = ctl->session};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/dataplane.sock", ctl->conf->run_directory);
	options.path = path;
	return ctl_dataplane_create(&options, &ctl->dataplane);
}

static int create_api(struct ctl *ctl)
{
	struct ctl_api_options options = {.base = ctl->base,
		.run = ctl_operations_run(),
		.context = ctl,
		.write_timeout = {.tv_sec = WRITE_TIMEOUT_S},
		.idle_timeout = {.tv_sec = IDLE_TIMEOUT_S}};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/control.sock", ctl->conf->run_directory);
	options.path = path;
	return ctl_api_create(&options, &ctl->api);
}

static int create_metrics(struct ctl *ctl)
{
	char text[TP_ADDR_STRLEN];
	int rc;

	if (ctl->conf->metrics.address.family == TP_FAMILY_NONE)
		return 0;
	rc = ctl_metrics_create(ctl, &ctl->metrics);
	if (rc)
		tp_error("metrics: cannot listen on %s port %u: %s",
			tp_ip_format(&ctl->conf->metrics.address, text), ctl->conf->metrics.port,
			strerror(-rc));
	return rc;
}

static int explain(const char *what, int rc)
{
	if (rc)
		tp_error("%s: %s", what, strerror(-rc));
	return rc;
}

static int start(struct ctl *ctl)
{
	int rc;

	ctl->base = event_base_new();
	if (!ctl->base)
		return explain("event loop", -ENOMEM);
	rc = explain("users and peers", ctl_session_create(ctl, &ctl->session));
	if (rc == 0)
		rc = explain("control socket", create_api(ctl));
	if (rc == 0)
		rc = create_metrics(ctl);
	if (rc == 0)
		rc = explain("dataplane's socket", create_dataplane(ctl));
	return rc;
}

// Whoever still waits for an answer gets one before the socket that it goes to is closed.
static void end(struct ctl *ctl)
{
	ctl_dataplane_destroy(ctl->dataplane);
	ctl_session_destroy(ctl->session);
	ctl_metrics_destroy(ctl->metrics);
	ctl_api_destroy(ctl->api);
	if (ctl->base)
		event_base_free(ctl->base);
}

int main(int argc, char *argv[])
{
	const struct conf_main program = {.program = "turnpike-control",
		.summary = "TURN semantics, authentication and allocations of the relay",
		.out = stdout,
		.errors = stderr,
		.prepare = ctl_auth_prepare};
	struct ctl ctl = {.started_wall_ns = tp_wall_ns()};
	struct conf *conf;
	int lock, rc;

	rc = conf_main(&program, argc, argv, &conf);
	if (rc != CONF_MAIN_RUN)
		return rc;
	tp_log_init("turnpike-control", (enum tp_log_level)conf->log_level);
	signal(SIGPIPE, SIG_IGN);
	ctl.conf = conf;
	lock = take_lock(conf);
	rc = lock < 0 ? lock : 0;
	if (rc == 0) {
		ctl_match_warn_transports(conf);
		rc = start(&ctl);
		if (rc == 0)
			rc = ctl_loop_run(&ctl);
		end(&ctl);
		close(lock);
	}
	conf_free(conf);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
