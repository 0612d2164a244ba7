// SPDX-License-Identifier: BSD-3-Clause
// Starting stream processes and noticing their end: of our own children by SIGCHLD, of those that a
// control before us started by their sockets.
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "control/loop/streams_impl.h"

#define PROGRAM "turnpike-stream"

uint32_t ctl_streams_wanted(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		if (conf->listeners[i].transports & ~(uint32_t)CONF_TRANSPORT_UDP)
			return conf->streams.processes < CTL_STREAMS_MOST
				       ? (uint32_t)conf->streams.processes
				       : CTL_STREAMS_MOST;
	return 0;
}

// ---- whom we have

static bool is_attached(const struct ctl_streams *s, pid_t pid)
{
	const struct ctl_streams_member *m;

	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->attached && m->pid == pid)
			return true;
	}
	return false;
}

void ctl_streams_came(struct ctl_streams *s, pid_t pid)
{
	for (size_t i = 0; i < CTL_STREAMS_MOST; i++)
		if (s->child[i] == pid)
			s->child_came[i] = true;
}

// Attached and with a future, or on its way there.
static uint32_t count(const struct ctl_streams *s)
{
	const struct ctl_streams_member *m;
	uint32_t n = 0;

	TAILQ_FOREACH(m, &s->members, entry)
		n += m->attached && !m->draining && !m->before;
	for (size_t i = 0; i < CTL_STREAMS_MOST; i++)
		n += s->child[i] != 0 && !is_attached(s, s->child[i]);
	return n;
}

static void say_end(pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		tp_warning(PROGRAM " %d was ended by signal %d", pid, WTERMSIG(status));
	else
		tp_notice(PROGRAM " %d ended with exit code %d", pid, WEXITSTATUS(status));
}

static void on_child(evutil_socket_t number, short events, void *arg)
{
	struct ctl_streams *s = arg;
	int status;

	for (size_t i = 0; i < CTL_STREAMS_MOST; i++) {
		if (s->child[i] == 0 || waitpid(s->child[i], &status, WNOHANG) != s->child[i])
			continue;
		say_end(s->child[i], status);
		s->child[i] = 0;
		if (!s->child_came[i])
			ctl_streams_renew_fail(s, "one ended as it started");
	}
}

int ctl_streams_watch_children(struct ctl_streams *s)
{
	s->child_ended = evsignal_new(s->ctl->base, SIGCHLD, on_child, s);
	return s->child_ended && event_add(s->child_ended, NULL) == 0 ? 0 : -ENOMEM;
}

// ---- starting

// Beside control's own program, found in the same way.
static int start_one(struct ctl_streams *s, pid_t *pid)
{
	const char *own = s->ctl->program, *slash = strrchr(own, '/');
	char *argv[] = {NULL, (char[]){"-c"}, s->ctl->conf->path, NULL};
	int rc;

	if (asprintf(&argv[0], "%.*s" PROGRAM, slash ? (int)(slash + 1 - own) : 0, own) < 0)
		return -ENOMEM;
	rc = posix_spawnp(pid, argv[0], NULL, NULL, argv, environ);
	free(argv[0]);
	return -rc;
}

void ctl_streams_start_missing(struct ctl_streams *s)
{
	uint32_t missing = ctl_respawn_due(&s->respawn, count(s), s->now_ns);

	for (size_t i = 0; i < CTL_STREAMS_MOST && missing > 0; i++) {
		if (s->child[i] != 0)
			continue;
		s->child_came[i] = false;
		int rc = start_one(s, &s->child[i]);
		if (rc) {
			s->child[i] = 0;
			tp_error(PROGRAM " cannot be started: %s", strerror(-rc));
			return;
		}
		tp_notice("started " PROGRAM " as pid %d", s->child[i]);
		s->starts++;
		missing--;
	}
}

uint64_t ctl_streams_start_deadline(const struct ctl_streams *s)
{
	return ctl_respawn_deadline(&s->respawn, count(s));
}

// Not waited for yet: their numbers are their own.
void ctl_streams_end_starting(struct ctl_streams *s)
{
	for (size_t i = 0; i < CTL_STREAMS_MOST; i++)
		if (s->child[i] != 0 && !is_attached(s, s->child[i]))
			kill(s->child[i], SIGTERM);
}

void ctl_streams_stop(struct ctl_streams *s)
{
	struct ctl_streams_member *m;

	if (!s || s->respawn.wanted == 0)
		return;
	TAILQ_FOREACH(m, &s->members, entry) {
		if (m->pidfd >= 0)
			pidfd_send_signal(m->pidfd, SIGTERM, NULL, 0);
	}
	ctl_streams_end_starting(s);
}
