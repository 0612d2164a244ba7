// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/cli/json.h"

#define MOST_BYTES 4096

// The file of that name beside the socket.
static void beside(const char *socket, const char *name, char out[PATH_MAX])
{
	const char *slash = strrchr(socket, '/');

	snprintf(out, PATH_MAX, "%.*s%s", slash ? (int)(slash + 1 - socket) : 0, socket, name);
}

static bool process_there(int64_t pid)
{
	return pid > 1 && pid <= INT_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

json_t *cli_keeper_read(const struct cli_args *args)
{
	char path[PATH_MAX], bytes[MOST_BYTES];
	json_t *keeper;

	beside(args->control_socket, "keeper.json", path);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return NULL;
	ssize_t n = read(fd, bytes, sizeof(bytes));
	close(fd);
	keeper = n > 0 ? json_loadb(bytes, (size_t)n, 0, NULL) : NULL;
	if (!json_is_object(keeper)) {
		json_decref(keeper);
		return NULL;
	}
	json_object_set_new(
		keeper, "running", json_boolean(process_there(cli_integer(keeper, "pid"))));
	return keeper;
}

const char *cli_keeper_restarts(
	const json_t *keeper, const char *daemon, char out[CLI_KEEPER_BYTES])
{
	const json_t *d = json_object_get(keeper, daemon);
	long long restarts = (long long)cli_integer(d, "restarts"),
		  hung = (long long)cli_integer(d, "hung");
	time_t at = (time_t)cli_integer(d, "last_death");
	char when[32] = "", because[64] = "";
	struct tm tm;

	if (restarts == 0) {
		snprintf(out, CLI_KEEPER_BYTES, "never restarted");
		return out;
	}
	if (gmtime_r(&at, &tm))
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (hung > 0)
		snprintf(because, sizeof(because), " (%lld of them because it hung)", hung);
	snprintf(out, CLI_KEEPER_BYTES, "died %lld times%s, last %s: %.64s%s", restarts, because,
		when, cli_text(d, "last_end"),
		strcmp(cli_text(d, "state"), "waits") == 0 ? "; waits for its next start" : "");
	return out;
}
