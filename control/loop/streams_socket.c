// SPDX-License-Identifier: BSD-3-Clause
// RUN_DIRECTORY/streams.sock: who comes, who goes.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "control/loop/streams_impl.h"

#define BACKLOG      64
#define GREETING_NS  (5 * TP_NS_PER_S)
#define MOST_MEMBERS (4 * CTL_STREAMS_MOST) // attached, greeting, lost

void ctl_streams_member_free(struct ctl_streams_member *m)
{
	struct ctl_streams *s = m->streams;

	if (m->readable)
		event_free(m->readable);
	if (m->wakeup)
		event_free(m->wakeup);
	if (m->attached) {
		ctl_stream_clients_fini(&m->stream.clients);
		ctl_stream_link_close(&m->link);
	}
	if (m->sock >= 0)
		close(m->sock);
	if (m->pidfd >= 0)
		close(m->pidfd);
	TAILQ_REMOVE(&s->members, m, entry);
	s->n_members--;
	free(m);
}

// The process is gone, or has let go of us. Its allocations live on for a while.
static void lose(struct ctl_streams_member *m)
{
	struct ctl_streams *s = m->streams;
	struct ctl_streams_member *lost;

	tp_notice("stream %08x (pid %d) is gone, with %u clients", m->stream.number, m->pid,
		m->stream.clients.count);
	ctl_streams_gone(m);
	// Only its number is kept.
	lost = calloc(1, sizeof(*lost));
	if (lost) {
		*lost = (struct ctl_streams_member){.streams = s,
			.sock = -1,
			.pidfd = -1,
			.pid = m->pid,
			.stream.number = m->stream.number,
			.until_ns = tp_now_ns() + CTL_STREAM_GRACE_S * TP_NS_PER_S};
		TAILQ_INSERT_TAIL(&s->members, lost, entry);
		s->n_members++;
	} else {
		s->sweep = 0;
	}
	ctl_streams_member_free(m);
}

static void on_wakeup(evutil_socket_t fd, short events, void *arg)
{
	// The loop looks at all rings whenever it comes round.
}

static int watch_ring(struct ctl_streams_member *m)
{
	m->wakeup = event_new(
		m->streams->ctl->base, m->link.request_fd, EV_READ | EV_PERSIST, on_wakeup, NULL);
	return m->wakeup && event_add(m->wakeup, NULL) == 0 ? 0 : -ENOMEM;
}

// What it comes with is good. 0 or -errno.
static int attach(struct ctl_streams_member *m)
{
	struct ctl_random random = ctl_random_system();
	struct tp_siphash_key key;
	int rc = random.bytes(random.context, &key, sizeof(key));

	if (rc == 0)
		rc = ctl_stream_clients_init(
			&m->stream.clients, m->streams->ctl->conf->streams.connections, &key);
	if (rc)
		return rc;
	rc = ctl_stream_link_open(m->sock, &m->link, &m->stream);
	if (rc) {
		ctl_stream_clients_fini(&m->stream.clients);
		return rc;
	}
	m->attached = true;
	ctl_streams_came(m->streams, m->pid);
	return watch_ring(m);
}

// When the process began (proc(5), field 22 of its stat); 0 when that cannot be told.
static uint64_t start_of(pid_t pid)
{
	unsigned long long ticks = 0;
	char path[40], text[512], *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	at = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at && sscanf(at, "%llu", &ticks) != 1)
		ticks = 0;
	fclose(f);
	return ticks;
}

static void take_greeting(struct ctl_streams_member *m, const void *message, size_t length)
{
	struct ctl_streams *s = m->streams;
	struct tp_stream_hello hello;
	struct ctl_streams_member *before;
	int refusal = ctl_stream_greeting(message, length, &hello), rc;

	before = refusal ? NULL : ctl_streams_find(s, hello.stream);
	if (before && before->attached)
		refusal = TP_REFUSED_BUSY;
	if (refusal) {
		tp_warning("a stream (pid %d) is refused (%d)", m->pid, refusal);
		ctl_stream_refuse(m->sock, (enum tp_refusal)refusal,
			refusal == TP_REFUSED_BUSY ? (uint32_t)before->pid : 0);
		ctl_streams_member_free(m);
		return;
	}
	if (before) // it has come back
		ctl_streams_member_free(before);
	m->stream.number = hello.stream;
	m->started = start_of(m->pid);
	m->draining = (hello.flags & TP_STREAM_DRAINING) != 0;
	rc = attach(m);
	if (rc) {
		tp_error("stream %08x (pid %d) cannot be attached: %s", hello.stream, m->pid,
			strerror(-rc));
		if (m->attached)
			lose(m);
		else
			ctl_streams_member_free(m);
		return;
	}
	tp_notice("stream %08x (pid %d) is attached", hello.stream, m->pid);
}

static void on_message(evutil_socket_t fd, short events, void *arg)
{
	struct ctl_streams_member *m = arg;
	uint8_t message[sizeof(struct tp_stream_hello) + sizeof(struct tp_stream_far_socket)];
	int fds[1];
	size_t n_fds = 0;
	ssize_t n = tp_message_receive(fd, message, sizeof(message), fds, 1, &n_fds);
	bool far =
		n > 0 && m->attached && ctl_streams_far_message(m, message, (size_t)n, fds, n_fds);

	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	if (far || n == -EAGAIN || n == -EINTR)
		return;
	if (m->attached) // nothing else is said by this way
		lose(m);
	else if (n > 0)
		take_greeting(m, message, (size_t)n);
	else
		ctl_streams_member_free(m);
}

static pid_t pid_of(int sock)
{
	struct ucred peer = {0};
	socklen_t length = sizeof(peer);

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : 0;
}

static void on_accept(evutil_socket_t listener, short events, void *arg)
{
	struct ctl_streams *s = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ctl_streams_member *m =
		fd >= 0 && s->n_members < MOST_MEMBERS ? calloc(1, sizeof(*m)) : NULL;

	if (!m) {
		if (fd >= 0)
			close(fd);
		return;
	}
	*m = (struct ctl_streams_member){
		.streams = s, .sock = fd, .pid = pid_of(fd), .until_ns = tp_now_ns() + GREETING_NS};
	m->pidfd = m->pid > 0 ? pidfd_open(m->pid, 0) : -1;
	TAILQ_INSERT_TAIL(&s->members, m, entry);
	s->n_members++;
	m->readable = event_new(s->ctl->base, fd, EV_READ | EV_PERSIST, on_message, m);
	if (!m->readable || event_add(m->readable, NULL) < 0)
		ctl_streams_member_free(m);
}

static int open_listener(struct ctl_streams *s)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t before;
	int rc;

	if (strlen(s->path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, s->path, strlen(s->path) + 1);
	s->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listener < 0)
		return -errno;
	// What an earlier process left; no living one is there, its lock is ours.
	if (unlink(s->path) < 0 && errno != ENOENT)
		return -errno;
	before = umask(0117);
	rc = bind(s->listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(before);
	return rc == 0 && listen(s->listener, BACKLOG) < 0 ? -errno : rc;
}

int ctl_streams_listen(struct ctl_streams *s)
{
	int rc = s->listener >= 0 ? 0 : open_listener(s);

	if (rc)
		return rc;
	s->acceptable = event_new(s->ctl->base, s->listener, EV_READ | EV_PERSIST, on_accept, s);
	return s->acceptable && event_add(s->acceptable, NULL) == 0 ? 0 : -ENOMEM;
}
