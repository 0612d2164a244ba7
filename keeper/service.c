// SPDX-License-Identifier: BSD-3-Clause
// One daemon: started, looked after, started anew, ended.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <poll.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "keeper/told.h"

void keeper_service_init(struct keeper_service *s, const char *name, const char *program,
	const char *run_directory, const char *lock, uint32_t stop_ms)
{
	*s = (struct keeper_service){.name = name,
		.program = program,
		.stop_ms = stop_ms,
		.pidfd = -1,
		.due_ns = UINT64_MAX,
		.status = -1};
	snprintf(s->lock_path, sizeof(s->lock_path), "%s/%s", run_directory, lock);
}

static void forget(struct keeper_service *s)
{
	if (s->pidfd >= 0)
		close(s->pidfd); // and with it its place in the epoll set
	s->pidfd = -1;
	s->pid = 0;
	s->ready = s->ending = s->watched = false;
	s->status = -1;
	s->due_ns = UINT64_MAX;
}

// From here on the process is the daemon.
static int look_after(struct keeper *k, struct keeper_service *s, pid_t pid)
{
	struct epoll_event event = {.events = EPOLLIN};
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return -errno;
	if (epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	forget(s);
	s->pid = pid;
	s->pidfd = fd;
	s->since_ns = tp_now_ns();
	return 0;
}

static void start_later(struct keeper_service *s, uint64_t ran_ms)
{
	uint32_t random = 0, pause_ms;

	tp_random_bytes(&random, sizeof(random)); // without: no jitter
	pause_ms = tp_backoff_after(&s->backoff, ran_ms, random);
	s->due_ns = tp_now_ns() + pause_ms * TP_NS_PER_MS;
	tp_notice("%s: next start in %u ms", s->name, pause_ms);
}

// 1: found and looked after; 0: it does not run; -errno.
static int find(struct keeper *k, struct keeper_service *s)
{
	pid_t pid = keeper_process_find(s->lock_path, k->account.uid);
	int rc = pid > 0 ? look_after(k, s, pid) : pid;

	// What was read of it before it was opened may be of one that is gone.
	if (pid > 0 && rc == 0 && !keeper_process_is(pid, k->account.uid)) {
		forget(s);
		return -EACCES;
	}
	if (pid > 0 && rc == 0) {
		s->ready = true; // whether it is, it says once only
		tp_notice("%s, pid %d, runs already: looked after from now on", s->name, pid);
		return 1;
	}
	return rc;
}

bool keeper_service_runs(struct keeper *k, struct keeper_service *s)
{
	return s->pid != 0 || find(k, s) > 0;
}

void keeper_service_start(struct keeper *k, struct keeper_service *s)
{
	const struct keeper_start start = {.program = s->program,
		.configuration = k->conf->path,
		.watchdog_s = k->conf->keeper.watchdog_s,
		.notify_path = k->notify_path,
		.store = &s->store};
	int rc = find(k, s);

	s->due_ns = UINT64_MAX;
	if (rc > 0)
		return;
	if (rc < 0) {
		tp_warning("%s: %s is held by a process that is none of user %u: %s", s->name,
			s->lock_path, k->account.uid, strerror(-rc));
		start_later(s, 0);
		return;
	}
	pid_t pid = keeper_process_start(&start);
	rc = pid < 0 ? pid : look_after(k, s, pid);
	if (rc < 0) {
		tp_error("%s cannot be started: %s", s->name, strerror(-rc));
		start_later(s, 0);
		return;
	}
	tp_notice("%s started, pid %d%s", s->name, pid,
		s->store.n ? ", with what was kept for it" : "");
	keeper_told_write(k);
}

bool keeper_service_follow(struct keeper *k, struct keeper_service *s, pid_t pid, uid_t sender)
{
	pid_t before = s->pid;
	bool ready = s->ready;

	if (pid <= 1 || pid == getpid() || pid == before || !keeper_process_is(pid, sender))
		return false;
	for (int i = 0; i < KEEPER_SERVICES; i++)
		if (k->service[i].pid == pid)
			return false;
	if (look_after(k, s, pid) < 0)
		return false;
	s->ready = ready;
	tp_notice("%s: pid %d is in the place of pid %d", s->name, pid, before);
	return true;
}

// One that took the place of another is ours only when its parent is gone.
static int end_status(struct keeper_service *s)
{
	int status;

	if (s->status < 0 && waitpid(s->pid, &status, WNOHANG) == s->pid)
		s->status = status;
	return s->status;
}

void keeper_service_look(struct keeper *k, struct keeper_service *s)
{
	struct pollfd p = {.fd = s->pidfd, .events = POLLIN};
	uint64_t ran_ms = (tp_now_ns() - s->since_ns) / TP_NS_PER_MS;
	char *text = s->end_text;
	bool asked = s->ending;

	if (s->pid == 0 || poll(&p, 1, 0) <= 0)
		return;
	keeper_process_end(end_status(s), text);
	if (asked)
		tp_notice("%s, pid %d, ended: %s", s->name, s->pid, text);
	else
		tp_warning("%s, pid %d, ended after %llu.%llu s: %s", s->name, s->pid,
			(unsigned long long)(ran_ms / 1000),
			(unsigned long long)(ran_ms / 100 % 10), text);
	forget(s);
	if (asked)
		return;
	s->deaths++;
	s->died_wall_s = tp_wall_ns() / TP_NS_PER_S;
	if (!k->stopping)
		start_later(s, ran_ms);
	keeper_tell(k);
}

void keeper_service_end(struct keeper_service *s)
{
	if (s->pid == 0 || s->ending)
		return;
	s->ending = true;
	s->due_ns = tp_now_ns() + s->stop_ms * TP_NS_PER_MS;
	pidfd_send_signal(s->pidfd, SIGTERM, NULL, 0);
}

static uint64_t hung_ns(const struct keeper *k, const struct keeper_service *s)
{
	return s->watched && !s->ending ? s->heard_ns + k->conf->keeper.watchdog_s * TP_NS_PER_S
					: UINT64_MAX;
}

uint64_t keeper_service_due_ns(const struct keeper *k, const struct keeper_service *s)
{
	return hung_ns(k, s) < s->due_ns ? hung_ns(k, s) : s->due_ns;
}

// It is started anew when its end is seen. Its region, and so the calls, outlive it.
static void end_hung(struct keeper *k, struct keeper_service *s)
{
	tp_error("%s, pid %d, hangs: it has not said for %u s that it works: killed", s->name,
		s->pid, k->conf->keeper.watchdog_s);
	s->hung++;
	s->watched = false;
	pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
}

void keeper_service_due(struct keeper *k, struct keeper_service *s, uint64_t now_ns)
{
	if (hung_ns(k, s) <= now_ns)
		end_hung(k, s);
	if (s->due_ns > now_ns)
		return;
	if (s->pid == 0) {
		keeper_service_start(k, s);
		return;
	}
	tp_error("%s, pid %d, did not end within %u s: killed", s->name, s->pid, s->stop_ms / 1000);
	s->due_ns = UINT64_MAX;
	k->forced = true;
	pidfd_send_signal(s->pidfd, SIGKILL, NULL, 0);
}

// Before it is ready, it may not have come so far that SIGHUP is not its end.
void keeper_service_reload(struct keeper_service *s)
{
	s->reload_due = !s->ready;
	if (s->ready)
		pidfd_send_signal(s->pidfd, SIGHUP, NULL, 0);
}

const char *keeper_service_state(const struct keeper_service *s)
{
	return s->ready ? "ready" : s->pid ? "starting" : "waits";
}

void keeper_tell(struct keeper *k)
{
	const struct keeper_service *d = &k->service[KEEPER_DATAPLANE];
	const struct keeper_service *c = &k->service[KEEPER_CONTROL];
	bool now = !k->ready && d->ready && c->ready;
	char text[256];

	snprintf(text, sizeof(text),
		"%sSTATUS=dataplane: %s, pid %d, died %u times; control: %s, pid %d, died %u times",
		now ? "READY=1\n" : "", keeper_service_state(d), d->pid, d->deaths,
		keeper_service_state(c), c->pid, c->deaths);
	if (now)
		tp_notice("ready: dataplane pid %d, control pid %d", d->pid, c->pid);
	k->ready |= now;
	keeper_told_write(k);
	tp_notify_service_manager(text);
}
