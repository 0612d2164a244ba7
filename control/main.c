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
#include "control/loop/privileges.h"
#include "control/loop/session.h"
#include "control/loop/streams.h"
#include "control/loop/takeover.h"
#include "control/loop/upgrade.h"

#define WRITE_TIMEOUT_S 10 // an operator's tool that reads nothing for so long is cut off
#define IDLE_TIMEOUT_S  60 // and one that asks nothing

// The run directory is ours alone: by its lock, or because the control before hands over.
static int own_directory(struct ctl *ctl)
{
	const char *directory = ctl->conf->run_directory;
	pid_t holder;

	if (ctl->takeover->link >= 0) {
		int rc = ctl_takeover_wait(ctl->takeover, directory);
		ctl->lock = ctl->takeover->lock;
		ctl->takeover->lock = 0;
		return rc;
	}
	int fd = ctl_lock_take(directory, &holder);
	if (fd == -EBUSY)
		tp_error("another turnpike-control (pid %d) works in %s", holder, directory);
	else if (fd < 0)
		tp_error("run directory %s: %s", directory, strerror(-fd));
	ctl->lock = fd < 0 ? 0 : fd;
	return fd < 0 ? fd : 0;
}

static int create_api(struct ctl *ctl)
{
	struct ctl_api_options options = {.base = ctl->base,
		.run = ctl_operations_run(),
		.context = ctl,
		.write_timeout = {.tv_sec = WRITE_TIMEOUT_S},
		.idle_timeout = {.tv_sec = IDLE_TIMEOUT_S},
		.listener = ctl->takeover->api};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/control.sock", ctl->conf->run_directory);
	options.path = path;
	ctl->takeover->api = 0;
	return ctl_api_create(&options, &ctl->api);
}

static int create_streams(struct ctl *ctl)
{
	int listener = ctl->takeover->streams;

	ctl->takeover->streams = 0;
	return ctl_streams_create(ctl, listener, &ctl->streams);
}

static int create_metrics(struct ctl *ctl)
{
	char text[TP_ADDR_STRLEN];
	int rc;

	if (ctl->conf->metrics.address.family == TP_FAMILY_NONE)
		return 0;
	rc = ctl_metrics_create(ctl, ctl->takeover->metrics, &ctl->metrics);
	ctl->takeover->metrics = 0;
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

// What takes long comes before the control before, if there is one, stops to serve.
static int start(struct ctl *ctl)
{
	int rc;

	ctl->base = event_base_new();
	if (!ctl->base)
		return explain("event loop", -ENOMEM);
	rc = explain("users and peers", ctl_session_create(ctl, &ctl->session));
	if (rc == 0)
		rc = own_directory(ctl);
	if (rc == 0)
		rc = explain("control socket", create_api(ctl));
	if (rc == 0)
		rc = explain("socket of the stream processes", create_streams(ctl));
	if (rc == 0)
		rc = create_metrics(ctl);
	if (rc == 0)
		rc = explain("dataplane's socket", ctl_loop_dial(ctl));
	if (rc == 0 && !ctl->takeover->attached)
		ctl_takeover_ready(ctl->takeover);
	return rc;
}

// Whoever still waits for an answer gets one before the socket that it goes to is closed.
static void end(struct ctl *ctl)
{
	ctl_upgrade_free(ctl);
	ctl_dataplane_destroy(ctl->dataplane);
	ctl_streams_destroy(ctl->streams);
	ctl->streams = NULL; // the session asks for it
	ctl_session_destroy(ctl->session);
	ctl_metrics_destroy(ctl->metrics);
	ctl_api_destroy(ctl->api);
	ctl_takeover_close(ctl->takeover);
	if (ctl->base)
		event_base_free(ctl->base);
	if (ctl->lock > 0)
		close(ctl->lock);
}

int main(int argc, char *argv[])
{
	const struct conf_main program = {.program = "turnpike-control",
		.summary = "TURN semantics, authentication and allocations of the relay",
		.out = stdout,
		.errors = stderr,
		.prepare = ctl_auth_prepare};
	struct ctl_takeover takeover;
	struct ctl ctl = {
		.started_wall_ns = tp_wall_ns(), .program = argv[0], .takeover = &takeover};
	struct conf *conf;
	int rc;

	rc = conf_main(&program, argc, argv, &conf);
	if (rc != CONF_MAIN_RUN)
		return rc;
	tp_log_init("turnpike-control", (enum tp_log_level)conf->log_level);
	signal(SIGPIPE, SIG_IGN);
	ctl.conf = conf;
	ctl.conf_wall_ns = ctl.started_wall_ns;
	ctl_takeover_asked(&takeover);
	rc = ctl_privileges_drop(conf);
	if (rc == 0)
		rc = start(&ctl);
	if (rc == 0)
		rc = ctl_privileges_filter(conf);
	if (rc == 0)
		rc = ctl_loop_run(&ctl);
	end(&ctl);
	conf_free(ctl.conf);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
