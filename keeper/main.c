// SPDX-License-Identifier: BSD-3-Clause
// turnpike-keeper: starts dataplane and control, starts anew what died, and keeps the session
// region meanwhile. It reads nothing of the network.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/privilege/caps.h"
#include "common/privilege/drop.h"
#include "config/conf_main.h"
#include "keeper/keeper.h"

#define DATAPLANE_STOP_MS 20000 // gives back ports, programs and hugepages
#define CONTROL_STOP_MS   10000

// The program of that name beside this one, unless one is given.
static const char *program(const char *given, const char *name, char out[PATH_MAX])
{
	ssize_t n = given ? -1 : readlink("/proc/self/exe", out, PATH_MAX - 1);

	if (n < 0)
		return given ? given : name;
	out[n] = '\0';
	char *slash = strrchr(out, '/');
	size_t left = (size_t)(out + PATH_MAX - 1 - slash);
	snprintf(slash + 1, left, "%s", name);
	return out;
}

static int check_program(const char *path)
{
	if (access(path, X_OK) == 0)
		return 0;
	int rc = -errno;
	tp_error("%s cannot be run: %s", path, strerror(-rc));
	return rc;
}

// Root stays root, for the daemons that it starts: a new program of root has the whole bounding set
// again, unless NO_NEW_PRIVS takes that away. Of its own the keeper needs to signal processes of
// another user, and to reach their directory. No filter of system calls: the daemons would inherit
// it.
static int limit_privileges(void)
{
	bool regained = geteuid() == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
	int rc = regained ? tp_caps_limit(TP_CAP(CAP_KILL) | TP_CAP(CAP_DAC_OVERRIDE), 0) : 0;

	if (rc < 0)
		tp_error("capabilities cannot be given up: %s", strerror(-rc));
	return rc;
}

static void warn_of_holder(const struct conf *conf)
{
	if (conf->region.holder == CONF_HOLDER_NONE)
		tp_warning("region.holder is none: when both daemons die at once, both are started "
			   "anew, and all allocations are lost");
}

static int run(struct keeper *k, const char *dataplane, const char *control)
{
	char beside[KEEPER_SERVICES][PATH_MAX];
	const char *directory = k->conf->run_directory;
	int rc;

	keeper_service_init(&k->service[KEEPER_DATAPLANE], "turnpike-dataplane",
		program(dataplane, "turnpike-dataplane", beside[KEEPER_DATAPLANE]), directory,
		"dataplane.lock", DATAPLANE_STOP_MS);
	keeper_service_init(&k->service[KEEPER_CONTROL], "turnpike-control",
		program(control, "turnpike-control", beside[KEEPER_CONTROL]), directory,
		"control.lock", CONTROL_STOP_MS);
	snprintf(k->notify_path, sizeof(k->notify_path), "%s/keeper.sock", directory);
	rc = check_program(k->service[KEEPER_DATAPLANE].program);
	if (rc == 0)
		rc = check_program(k->service[KEEPER_CONTROL].program);
	if (rc == 0)
		rc = tp_privilege_prepare(k->conf->privileges.user, k->conf->privileges.group,
			directory, &k->account);
	if (rc == 0)
		rc = keeper_open(k);
	if (rc == 0)
		rc = limit_privileges();
	if (rc == 0)
		rc = keeper_run(k);
	keeper_close(k);
	return rc;
}

int main(int argc, char **argv)
{
	const char *dataplane = NULL, *control = NULL;
	const struct conf_main_path paths[] = {
		{"dataplane", "the program turnpike-dataplane, if it is not beside this one",
			&dataplane},
		{"control", "the program turnpike-control, the same", &control},
		{NULL, NULL, NULL},
	};
	const struct conf_main self = {.program = "turnpike-keeper",
		.summary =
			"starts the daemons of an appliance, and keeps their calls while they do "
			"not run",
		.out = stdout,
		.errors = stderr,
		.paths = paths};
	struct keeper k = {.lock_fd = -1, .notify_fd = -1, .signal_fd = -1, .epoll_fd = -1};
	struct conf *conf;
	int rc = conf_main(&self, argc, argv, &conf);

	if (rc != CONF_MAIN_RUN)
		return rc;
	tp_log_init("turnpike-keeper", (enum tp_log_level)conf->log_level);
	conf_forget_credentials(conf); // control's
	warn_of_holder(conf);
	k.conf = conf;
	rc = run(&k, dataplane, control);
	conf_free(conf);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
