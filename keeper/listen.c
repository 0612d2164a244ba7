// SPDX-License-Identifier: BSD-3-Clause
// The socket by which daemons talk to their service manager. The kernel says who speaks; only the
// processes that are looked after are listened to.
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "keeper/keeper.h"
#include "keeper/message.h"

#define MESSAGES_PER_TURN 64
#define MESSAGE_FDS       4

struct received {
	char text[KEEPER_MESSAGE_BYTES + 1]; // one more: a longer one is seen as such
	size_t bytes;
	struct ucred sender;
	int fds[MESSAGE_FDS];
	unsigned int n_fds;
	bool whole;
};

int keeper_listen(struct keeper *k)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int on = 1;
	mode_t before;
	int rc;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s", k->notify_path) >=
		(int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	k->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->notify_fd < 0 ||
		setsockopt(k->notify_fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return -errno;
	unlink(k->notify_path);
	// Daemons talk as the user that they became. Changed by its name afterwards, it could be
	// another file by then.
	before = umask(0111);
	rc = bind(k->notify_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(before);
	if (rc == 0 && epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->notify_fd, &event) < 0)
		rc = -errno;
	return rc;
}

static void take_control(struct msghdr *msg, struct received *r)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		size_t bytes = c->cmsg_len - CMSG_LEN(0);
		if (c->cmsg_type == SCM_CREDENTIALS && bytes == sizeof(r->sender))
			memcpy(&r->sender, CMSG_DATA(c), sizeof(r->sender));
		for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < bytes / sizeof(int); i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (r->n_fds < MESSAGE_FDS)
				r->fds[r->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

static bool receive(int sock, struct received *r)
{
	struct iovec iov = {.iov_base = r->text, .iov_len = sizeof(r->text)};
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct ucred)) +
			   CMSG_SPACE(MESSAGE_FDS * sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n;

	*r = (struct received){0};
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	take_control(&msg, r);
	r->bytes = (size_t)n;
	r->whole = (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
	return true;
}

static void store(struct keeper_service *s, struct received *r, const struct keeper_message *m)
{
	const char *name = m->name[0] ? m->name : "stored";

	for (unsigned int i = 0; i < r->n_fds; i++) {
		int rc = m->name_wrong ? -EINVAL : keeper_store_put(&s->store, r->fds[i], name);
		if (m->name_wrong)
			close(r->fds[i]);
		if (rc == 0)
			tp_info("%s: keeps %s for it", s->name, name);
		else
			tp_warning("%s: does not keep what it gave: %s", s->name, strerror(-rc));
	}
	r->n_fds = 0;
}

static void take(struct keeper *k, struct keeper_service *s, struct received *r)
{
	struct keeper_message m;

	if (!r->whole || !keeper_message_read(r->text, r->bytes, &m)) {
		tp_warning("%s, pid %d: a message that is none", s->name, s->pid);
		return;
	}
	if (m.remove && !m.name_wrong)
		keeper_store_remove(&s->store, m.name[0] ? m.name : "stored");
	if (m.store)
		store(s, r, &m);
	if (m.status[0])
		tp_debug("%s: %s", s->name, m.status);
	if (m.watchdog && k->conf->keeper.watchdog_s != 0) {
		s->watched = true;
		s->heard_ns = tp_now_ns();
	}
	if (m.stopping)
		s->ready = s->watched = false;
	if (m.ready && !s->ready) {
		s->ready = true;
		if (s->reload_due)
			keeper_service_reload(s);
	}
	if (m.main_pid != 0 && !keeper_service_follow(k, s, (pid_t)m.main_pid, r->sender.uid))
		tp_warning("%s, pid %d: pid %u cannot take its place", s->name, s->pid, m.main_pid);
	if (m.ready || m.main_pid != 0)
		keeper_tell(k);
}

void keeper_listen_read(struct keeper *k)
{
	struct received r;

	for (int i = 0; i < MESSAGES_PER_TURN && receive(k->notify_fd, &r); i++) {
		for (int n = 0; n < KEEPER_SERVICES; n++)
			if (k->service[n].pid != 0 && k->service[n].pid == r.sender.pid) {
				take(k, &k->service[n], &r);
				break;
			}
		while (r.n_fds > 0)
			close(r.fds[--r.n_fds]);
	}
}
