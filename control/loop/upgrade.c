// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "control/api/metrics.h"
#include "control/api/text.h"
#include "control/dpcmd/client.h"
#include "control/loop/handover.h"
#include "control/loop/lock.h"
#include "control/loop/loop.h"
#include "control/loop/session.h"
#include "control/loop/streams.h"

#define HELLO_S  10  // to read its configuration and prepare the users
#define QUIET_MS 500 // for requests under way to end
#define READY_S  30  // to adopt and replay a million allocations, three times over
#define BYE_S    1   // for the operator's answer to leave
#define LINK_FD  3   // of the new process

enum upgrade_state {
	WAITS_FOR_HELLO,
	WAITS_FOR_QUIET, // of the requests under way
	WAITS_FOR_READY, // handed over
	WAITS_FOR_BYE,
};

struct ctl_upgrade {
	struct ctl *ctl;
	struct ctl_call *call; // NULL: answered
	enum upgrade_state state;
	pid_t pid; // of the new one
	int link;
	struct event *readable, *timer;
	uint64_t handed_over_ns;
	char version[CTL_HANDOVER_TEXT_BYTES];
};

static void set_timer(struct ctl_upgrade *u, time_t s, suseconds_t us)
{
	struct timeval tv = {.tv_sec = s, .tv_usec = us};

	evtimer_add(u->timer, &tv);
}

static void forget(struct ctl_upgrade *u)
{
	if (u->readable)
		event_free(u->readable);
	if (u->timer)
		event_free(u->timer);
	if (u->link >= 0)
		close(u->link);
	u->ctl->upgrade = NULL;
	free(u);
}

// ---- back

// Everything is ours again, as after a restart: the new one may have written to the region.
static void take_back(struct ctl *ctl)
{
	int rc = ctl_lock_inherit(ctl->lock);

	ctl_session_destroy(ctl->session);
	ctl->session = NULL;
	if (rc == 0)
		rc = ctl_session_create(ctl, &ctl->session);
	if (rc == 0)
		rc = ctl_loop_dial(ctl);
	if (rc) {
		// A service manager starts a new one.
		tp_error("cannot take back what was handed over: %s", strerror(-rc));
		ctl->stop = true;
		ctl->failed = true;
		return;
	}
	ctl_api_resume(ctl->api);
	ctl_metrics_resume(ctl->metrics);
	ctl_streams_resume(ctl->streams);
}

static const char *describe_end(int status, char out[80])
{
	if (WIFEXITED(status))
		snprintf(out, 80, "it ended with exit code %d", WEXITSTATUS(status));
	else
		snprintf(out, 80, "it was ended by signal %d", WTERMSIG(status));
	return out;
}

// The new one ends, if it has not, and this one goes on. `why` NULL: it ended.
static void give_up(struct ctl_upgrade *u, const char *why)
{
	struct ctl *ctl = u->ctl;
	bool handed_over = u->state == WAITS_FOR_READY;
	char text[300], end[80] = "";
	int status = 0;

	if (why)
		kill(u->pid, SIGKILL);
	// What closed the link has ended or was killed: this does not wait for long.
	while (waitpid(u->pid, &status, 0) < 0 && errno == EINTR)
		;
	snprintf(text, sizeof(text),
		"the new control (pid %d) did not take over: %s; pid %d goes on", u->pid,
		why ? why : describe_end(status, end), getpid());
	tp_error("%s", text);
	if (u->call)
		ctl_call_fail(u->call, CTL_RPC_REFUSED, text);
	forget(u);
	ctl_session_hold(ctl->session, false);
	if (handed_over)
		take_back(ctl);
}

// ---- forth

static void hand_over(struct ctl_upgrade *u)
{
	struct ctl *ctl = u->ctl;
	bool attached = ctl_session_is_attached(ctl->session);
	struct ctl_handover take = {.magic = CTL_HANDOVER_MAGIC,
		.kind = CTL_HANDOVER_TAKE,
		.attached = attached,
		.more = 1};
	const struct ctl_handover more = {
		.magic = CTL_HANDOVER_MAGIC, .kind = CTL_HANDOVER_STREAMS, .n_fds = 1};
	int streams = ctl_streams_listener(ctl->streams);
	int fds[CTL_HANDOVER_FDS] = {ctl->lock, ctl_api_listener(ctl->api),
		ctl->metrics ? ctl_metrics_listener(ctl->metrics) : -1};

	take.n_fds = ctl->metrics ? 3 : 2;
	// From here on nothing of ours writes to the region.
	ctl_api_pause(ctl->api, "control is being upgraded, connect again");
	ctl_metrics_pause(ctl->metrics);
	ctl_streams_pause(ctl->streams);
	ctl_dataplane_destroy(ctl->dataplane);
	ctl->dataplane = NULL;
	if (attached)
		ctl_session_detached(ctl->session);
	ctl_session_give_away(ctl->session);
	u->state = WAITS_FOR_READY;
	u->handed_over_ns = tp_now_ns();
	set_timer(u, READY_S, 0);
	int rc = ctl_handover_send(u->link, &take, fds);
	if (rc == 0)
		rc = ctl_handover_send(u->link, &more, &streams);
	if (rc)
		give_up(u, rc == -EPIPE || rc == -ECONNRESET ? NULL : strerror(-rc));
}

static void finish(struct ctl_upgrade *u)
{
	double gap_ms = (double)(tp_now_ns() - u->handed_over_ns) / TP_NS_PER_MS;
	char state[40];

	tp_notice("handed over to pid %d, version %s, in %.1f ms; ending", u->pid, u->version,
		gap_ms);
	snprintf(state, sizeof(state), "MAINPID=%d", u->pid);
	tp_notify_service_manager(state);
	ctl_api_disown(u->ctl->api);
	ctl_streams_disown(u->ctl->streams);
	struct ctl_call *call = u->call;
	u->call = NULL;
	u->state = WAITS_FOR_BYE;
	event_del(u->readable);
	set_timer(u, BYE_S, 0);
	ctl_call_reply(call,
		json_pack("{s:i, s:i, s:o, s:f}", "pid", u->pid, "pid_before", getpid(), "version",
			ctl_json_text(u->version, strlen(u->version)), "handover_ms", gap_ms));
}

static void on_message(evutil_socket_t fd, short events, void *arg)
{
	struct ctl_upgrade *u = arg;
	int fds[CTL_HANDOVER_FDS];
	struct ctl_handover m;
	int rc = ctl_handover_receive(fd, &m, fds);

	if (rc == -EAGAIN)
		return;
	if (rc == 0 && m.n_fds > 0) {
		while (m.n_fds > 0)
			close(fds[--m.n_fds]);
		rc = -EPROTO;
	}
	if (rc == -ECONNRESET) {
		give_up(u, NULL);
	} else if (rc == 0 && m.kind == CTL_HANDOVER_HELLO && u->state == WAITS_FOR_HELLO) {
		memcpy(u->version, m.text, sizeof(u->version));
		u->state = WAITS_FOR_QUIET;
		ctl_session_hold(u->ctl->session, true);
		set_timer(u, 0, QUIET_MS * 1000);
	} else if (rc == 0 && m.kind == CTL_HANDOVER_READY && u->state == WAITS_FOR_READY) {
		finish(u);
	} else {
		give_up(u, "it spoke out of turn");
	}
}

static void on_time(evutil_socket_t fd, short events, void *arg)
{
	struct ctl_upgrade *u = arg;

	switch (u->state) {
	case WAITS_FOR_HELLO:
		give_up(u, "it did not get ready in time");
		break;
	case WAITS_FOR_QUIET: // clients ask again for what is still under way
		hand_over(u);
		break;
	case WAITS_FOR_READY:
		give_up(u, "the dataplane was not in step with it in time");
		break;
	case WAITS_FOR_BYE:
		u->ctl->stop = true;
		break;
	}
}

void ctl_upgrade_step(struct ctl *ctl)
{
	struct ctl_upgrade *u = ctl->upgrade;

	if (!u)
		return;
	if (u->state == WAITS_FOR_QUIET && ctl_session_quiet(ctl->session))
		hand_over(u);
	else if (u->state == WAITS_FOR_BYE && ctl_api_quiet(ctl->api))
		ctl->stop = true;
}

bool ctl_upgrade_done(const struct ctl *ctl)
{
	return ctl->upgrade && ctl->upgrade->state == WAITS_FOR_BYE;
}

void ctl_upgrade_free(struct ctl *ctl)
{
	struct ctl_upgrade *u = ctl->upgrade;

	if (!u)
		return;
	// Somebody ended this control in the middle: that means the new one too.
	if (u->state != WAITS_FOR_BYE) {
		kill(u->pid, u->state == WAITS_FOR_READY ? SIGTERM : SIGKILL);
		while (waitpid(u->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (u->call)
		ctl_call_fail(u->call, CTL_RPC_UNAVAILABLE, "control is ending");
	forget(u);
}

// ---- the new process

static char **environment(char variable[])
{
	size_t n = 0;
	char **out;

	while (environ[n])
		n++;
	out = calloc(n + 2, sizeof(*out));
	if (!out)
		return NULL;
	memcpy(out, environ, n * sizeof(*out));
	out[n] = variable;
	return out;
}

static int spawn(const struct ctl *ctl, int link, pid_t *pid)
{
	char variable[40];
	char *argv[] = {ctl->program, (char[]){"-c"}, ctl->conf->path, NULL};
	posix_spawn_file_actions_t actions;
	int rc;

	snprintf(variable, sizeof(variable), "%s=%d", CTL_HANDOVER_VARIABLE, LINK_FD);
	char **variables = environment(variable);
	if (!variables)
		return -ENOMEM;
	rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0) {
		rc = posix_spawn_file_actions_adddup2(&actions, link, LINK_FD);
		// Found as a shell would have found it when it started this one.
		if (rc == 0)
			rc = posix_spawnp(pid, ctl->program, &actions, NULL, argv, variables);
		posix_spawn_file_actions_destroy(&actions);
	}
	free(variables);
	return -rc;
}

static int start(struct ctl_upgrade *u, int theirs)
{
	struct ctl *ctl = u->ctl;
	int rc;

	u->timer = evtimer_new(ctl->base, on_time, u);
	u->readable = event_new(ctl->base, u->link, EV_READ | EV_PERSIST, on_message, u);
	if (!u->timer || !u->readable || event_add(u->readable, NULL) < 0)
		return -ENOMEM;
	rc = spawn(ctl, theirs, &u->pid);
	if (rc)
		return rc;
	set_timer(u, HELLO_S, 0);
	tp_notice("upgrade: started %s as pid %d", ctl->program, u->pid);
	return 0;
}

void ctl_upgrade_begin(struct ctl *ctl, struct ctl_call *call)
{
	struct ctl_upgrade *u;
	int pair[2] = {-1, -1}, rc;
	char text[400];

	if (ctl->upgrade) {
		ctl_call_fail(call, CTL_RPC_CONFLICT, "an upgrade is under way");
		return;
	}
	u = calloc(1, sizeof(*u));
	rc = u ? 0 : -ENOMEM;
	if (rc == 0 &&
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		rc = -errno;
	if (rc == 0) {
		*u = (struct ctl_upgrade){.ctl = ctl, .call = call, .link = pair[0]};
		ctl->upgrade = u;
		rc = start(u, pair[1]);
		close(pair[1]);
		if (rc == 0)
			return;
		forget(u);
	} else {
		free(u);
	}
	snprintf(text, sizeof(text), "%.200s cannot be started: %s; pid %d goes on", ctl->program,
		strerror(-rc), getpid());
	tp_error("%s", text);
	ctl_call_fail(call, CTL_RPC_REFUSED, text);
}
