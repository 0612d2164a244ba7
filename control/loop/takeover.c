// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/takeover.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "control/loop/handover.h"
#include "control/loop/lock.h"

#define TAKE_TIMEOUT_MS 30000 // it lets its requests end first

bool ctl_takeover_asked(struct ctl_takeover *t)
{
	const char *text = getenv(CTL_HANDOVER_VARIABLE);
	int type = 0;
	socklen_t length = sizeof(type);

	*t = (struct ctl_takeover){.link = -1};
	if (!text)
		return false;
	int fd = (int)strtol(text, NULL, 10);
	unsetenv(CTL_HANDOVER_VARIABLE);
	if (fd < 3 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
		type != SOCK_SEQPACKET || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		tp_warning("%s=%s is no socket of a control before", CTL_HANDOVER_VARIABLE, text);
		return false;
	}
	t->link = fd;
	return true;
}

static int receive(struct ctl_takeover *t, struct ctl_handover *m, int fds[CTL_HANDOVER_FDS])
{
	struct pollfd p = {.fd = t->link, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, TAKE_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : -ETIMEDOUT;
	return ctl_handover_receive(t->link, m, fds);
}

// Of what follows, a newer version may have sent what we do not know.
static int take_more(struct ctl_takeover *t, uint32_t records)
{
	struct ctl_handover m;

	for (; records > 0; records--) {
		int fds[CTL_HANDOVER_FDS] = {0}, rc = receive(t, &m, fds);
		if (rc)
			return rc;
		if (m.kind == CTL_HANDOVER_STREAMS && m.n_fds == 1 && t->streams == 0) {
			t->streams = fds[0];
			continue;
		}
		while (m.n_fds > 0)
			close(fds[--m.n_fds]);
	}
	return 0;
}

static int take(struct ctl_takeover *t)
{
	int fds[CTL_HANDOVER_FDS] = {0};
	struct ctl_handover m;
	int rc = receive(t, &m, fds);

	if (rc)
		return rc;
	t->lock = fds[0];
	t->api = fds[1];
	t->metrics = fds[2];
	t->attached = m.attached != 0;
	if (m.kind != CTL_HANDOVER_TAKE || m.n_fds < 2)
		return -EPROTO;
	return take_more(t, m.more);
}

int ctl_takeover_wait(struct ctl_takeover *t, const char *run_directory)
{
	struct ctl_handover hello = {.magic = CTL_HANDOVER_MAGIC, .kind = CTL_HANDOVER_HELLO};
	int rc;

	snprintf(hello.text, sizeof(hello.text), "%s", TP_VERSION);
	rc = ctl_handover_send(t->link, &hello, NULL);
	if (rc == 0)
		rc = take(t);
	if (rc == 0)
		rc = ctl_lock_inherit(t->lock);
	if (rc)
		tp_error("%s: the control before did not hand over: %s", run_directory,
			strerror(-rc));
	return rc;
}

void ctl_takeover_ready(struct ctl_takeover *t)
{
	struct ctl_handover ready = {.magic = CTL_HANDOVER_MAGIC, .kind = CTL_HANDOVER_READY};

	if (!t || t->link < 0)
		return;
	// It may be gone; what it left is ours in any case.
	int rc = ctl_handover_send(t->link, &ready, NULL);
	if (rc)
		tp_warning("the control before is gone: %s", strerror(-rc));
	close(t->link);
	t->link = -1;
}

void ctl_takeover_close(struct ctl_takeover *t)
{
	int *all[] = {&t->lock, &t->api, &t->metrics, &t->streams};

	if (t->link >= 0)
		close(t->link);
	t->link = -1;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (*all[i] > 0)
			close(*all[i]);
		*all[i] = 0;
	}
}
