// SPDX-License-Identifier: BSD-3-Clause
// The loop: what daemons say first, so that a successor is known before the end of the one that
// named it; then who died; then what is due.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "keeper/told.h"

#define EVENTS_PER_TURN 8
#define LATE_MS         500
#define ORPHANS_MS      5000

static int lock(struct keeper *k)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/keeper.lock", k->conf->run_directory);
	k->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (k->lock_fd < 0 || flock(k->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		int rc = -errno;
		if (rc == -EWOULDBLOCK)
			tp_error("another turnpike-keeper works in %s", k->conf->run_directory);
		else
			tp_error("%s cannot be locked: %s", path, strerror(-rc));
		return rc;
	}
	return 0;
}

static int open_signals(struct keeper *k)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	k->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0 || epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->signal_fd, &event) < 0)
		return -errno;
	return 0;
}

int keeper_open(struct keeper *k)
{
	int rc = lock(k);

	if (rc < 0)
		return rc;
	k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	// A control that was started by another one comes to us when that one ends.
	if (k->epoll_fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		rc = -errno;
	if (rc == 0)
		rc = open_signals(k);
	if (rc == 0)
		rc = keeper_listen(k);
	if (rc < 0)
		tp_error("cannot listen at %s: %s", k->notify_path, strerror(-rc));
	return rc;
}

void keeper_close(struct keeper *k)
{
	const int fds[] = {k->signal_fd, k->epoll_fd, k->notify_fd, k->lock_fd};

	if (k->notify_fd >= 0) {
		unlink(k->notify_path);
		keeper_told_remove(k);
	}
	for (int i = 0; i < KEEPER_SERVICES; i++)
		keeper_store_close(&k->service[i].store);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void handle_signal(struct keeper *k, uint32_t number)
{
	if (number == SIGHUP) {
		tp_notice("SIGHUP: passed on to turnpike-control");
		keeper_service_reload(&k->service[KEEPER_CONTROL]);
	} else if (number != SIGCHLD && !k->stopping) {
		tp_notice("%s: ending control, then the dataplane", strsignal((int)number));
		k->stopping = true;
		for (int i = 0; i < KEEPER_SERVICES; i++)
			k->service[i].due_ns = UINT64_MAX;
		tp_notify_service_manager("STOPPING=1");
	}
}

static void read_signals(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		handle_signal(k, info.ssi_signo);
}

// Whoever ended, daemon or not: descendants that lost their parents are ours.
static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (int i = 0; i < KEEPER_SERVICES; i++)
			if (k->service[i].pid == pid)
				k->service[i].status = status;
}

// Control first: it tells the dataplane nothing that would be lost. True: both have ended.
static bool stop_step(struct keeper *k)
{
	struct keeper_service *order[] = {
		&k->service[KEEPER_CONTROL], &k->service[KEEPER_DATAPLANE]};

	for (int i = 0; i < KEEPER_SERVICES; i++)
		if (keeper_service_runs(k, order[i])) {
			keeper_service_end(order[i]);
			return false;
		}
	return true;
}

static void signal_children(int number)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		kill(pid, number); // not waited for yet: the number is its own
	if (f)
		fclose(f);
}

// What daemons that died left to us: stream processes, which outlive a control. True: nothing.
static bool end_orphans(struct keeper *k)
{
	if (waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD)
		return true;
	if (k->orphans_due_ns == 0) {
		signal_children(SIGTERM);
		k->orphans_due_ns = tp_now_ns() + ORPHANS_MS * TP_NS_PER_MS;
	} else if (tp_now_ns() >= k->orphans_due_ns) {
		signal_children(SIGKILL);
		k->forced = true;
		return true; // nobody needs to see their end
	}
	return false;
}

static int timeout_ms(const struct keeper *k)
{
	uint64_t due_ns = k->orphans_due_ns ? k->orphans_due_ns : UINT64_MAX;
	uint64_t now_ns = tp_now_ns();

	for (int i = 0; i < KEEPER_SERVICES; i++)
		if (keeper_service_due_ns(k, &k->service[i]) < due_ns)
			due_ns = keeper_service_due_ns(k, &k->service[i]);
	if (due_ns == UINT64_MAX)
		return -1;
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / TP_NS_PER_MS + 1);
}

// Waits for what happens. After a time in which we did not run ourselves (a frozen group of
// processes) nothing can be said about who was silent in it.
static int wait_for_events(struct keeper *k, struct epoll_event *events)
{
	int wait_ms = timeout_ms(k);
	uint64_t begin_ns = tp_now_ns();

	if (epoll_wait(k->epoll_fd, events, EVENTS_PER_TURN, wait_ms) < 0 && errno != EINTR)
		return -errno;
	uint64_t now_ns = tp_now_ns();
	if (wait_ms >= 0 && now_ns - begin_ns > (uint64_t)(wait_ms + LATE_MS) * TP_NS_PER_MS)
		for (int i = 0; i < KEEPER_SERVICES; i++)
			k->service[i].heard_ns = now_ns;
	return 0;
}

int keeper_run(struct keeper *k)
{
	struct epoll_event events[EVENTS_PER_TURN];

	for (int i = 0; i < KEEPER_SERVICES; i++)
		keeper_service_start(k, &k->service[i]);
	keeper_tell(k); // who was found running does not say again that it is ready
	for (;;) {
		int rc = wait_for_events(k, events);
		if (rc < 0)
			return rc;
		read_signals(k);
		keeper_listen_read(k);
		reap(k);
		for (int i = 0; i < KEEPER_SERVICES; i++)
			keeper_service_look(k, &k->service[i]);
		if (k->stopping && stop_step(k) && end_orphans(k))
			return k->forced ? -EIO : 0;
		for (int i = 0; i < KEEPER_SERVICES; i++)
			keeper_service_due(k, &k->service[i], tp_now_ns());
	}
}
