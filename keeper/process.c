// SPDX-License-Identifier: BSD-3-Clause
#include "keeper/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/listen_fds.h"
#include "common/base/log.h"

// ---- in the new process

// First out of the way, then into place: one may lie where another belongs.
static int place_descriptors(const struct keeper_store *store)
{
	int high[KEEPER_STORE_MAX];

	for (unsigned int i = 0; i < store->n; i++) {
		high[i] = fcntl(
			store->kept[i].fd, F_DUPFD_CLOEXEC, TP_LISTEN_FDS_START + KEEPER_STORE_MAX);
		if (high[i] < 0)
			return -errno;
	}
	for (unsigned int i = 0; i < store->n; i++)
		if (dup2(high[i], TP_LISTEN_FDS_START + (int)i) < 0)
			return -errno;
	return 0;
}

static int set_number(const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	return setenv(name, text, 1) < 0 ? -errno : 0;
}

// What our own service manager told us is nobody else's.
static int set_variables(const struct keeper_start *s)
{
	static const char *const ours[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES",
		"WATCHDOG_PID", "WATCHDOG_USEC", "FDSTORE", "MAINPID"};
	char names[KEEPER_STORE_NAMES_BYTES];
	int rc;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		unsetenv(ours[i]);
	if (setenv("NOTIFY_SOCKET", s->notify_path, 1) < 0)
		return -errno;
	// Not WATCHDOG_PID: a control that takes the place of another one is meant, too.
	rc = s->watchdog_s ? set_number("WATCHDOG_USEC", (long)s->watchdog_s * 1000000) : 0;
	if (rc < 0 || s->store->n == 0)
		return rc;
	keeper_store_names(s->store, names);
	rc = set_number("LISTEN_PID", getpid());
	if (rc == 0)
		rc = set_number("LISTEN_FDS", s->store->n);
	return rc == 0 && setenv("LISTEN_FDNAMES", names, 1) < 0 ? -errno : rc;
}

// Signals as a program expects them; a session, so that a terminal's ^C reaches the keeper alone.
static void set_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
}

__attribute__((noreturn)) static void become(const struct keeper_start *s)
{
	char *argv[] = {(char *)(uintptr_t)s->program, (char[]){"-c"},
		(char *)(uintptr_t)s->configuration, NULL};
	int rc = place_descriptors(s->store);

	if (rc == 0)
		rc = set_variables(s);
	set_signals();
	if (rc == 0) {
		execv(s->program, argv);
		rc = -errno;
	}
	tp_error("%s cannot be started: %s", s->program, strerror(-rc));
	_exit(127);
}

pid_t keeper_process_start(const struct keeper_start *start)
{
	pid_t pid = fork();

	if (pid == 0)
		become(start);
	return pid < 0 ? -errno : pid;
}

// ---- found

bool keeper_process_is(pid_t pid, uid_t uid)
{
	char path[40], line[128];
	unsigned int real = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "Uid: %u", &real) == 1;
	if (f)
		fclose(f);
	return found && real == uid;
}

static pid_t read_holder(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	return pid > 1 && pid <= INT_MAX && pid != getpid() ? (pid_t)pid : -EACCES;
}

pid_t keeper_process_find(const char *lock_path, uid_t uid)
{
	int fd = open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	pid_t pid = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		pid = -EACCES;
	else if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		pid = errno == EWOULDBLOCK ? read_holder(fd) : -errno;
	close(fd);
	if (pid > 0 && !keeper_process_is(pid, uid))
		pid = -EACCES;
	return pid;
}

char *keeper_process_end(int status, char out[KEEPER_END_BYTES])
{
	if (status < 0)
		snprintf(out, KEEPER_END_BYTES, "not our child, no exit code");
	else if (WIFEXITED(status))
		snprintf(out, KEEPER_END_BYTES, "exit code %d", WEXITSTATUS(status));
	else
		snprintf(out, KEEPER_END_BYTES, "signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	return out;
}
