// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/abi/shm_map.h"
#include "common/abi/sizes.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "control/stream/stream.h"

#define LISTEN_RETRIES   50 // from bind() to listen() of the other side, a second at most
#define LISTEN_RETRY_NS  (20 * TP_NS_PER_MS)
#define REFUSED_RETRY_NS TP_NS_PER_S

static const struct {
	const char *who, *socket;
	uint16_t answer;
} known[STREAM_PEERS] = {
	[STREAM_DATAPLANE] = {"the dataplane", "dataplane.sock", TP_MSG_STREAM_ATTACHED},
	[STREAM_CONTROL] = {"control", "streams.sock", TP_MSG_STREAM_CONTROL},
};

static int draw_number(struct stream *s)
{
	int rc;

	do {
		rc = tp_random_bytes(&s->number, sizeof(s->number));
	} while (rc == 0 && s->number == 0);
	return rc;
}

static void detach(struct stream *s, enum stream_peer_name name)
{
	struct stream_peer *p = &s->peers[name];
	enum stream_peer_state before = p->state;
	int fd = p->fd;

	p->fd = -1;
	p->state = STREAM_PEER_AWAY;
	p->retry_ns = 0;
	if (before == STREAM_PEER_ATTACHED && name == STREAM_DATAPLANE)
		stream_media_detached(s);
	else if (before == STREAM_PEER_ATTACHED)
		stream_control_detached(s);
	if (fd >= 0) // last: the other side then looks into the ring once more
		close(fd);
}

static uint32_t flags(const struct stream *s)
{
	return (s->dtls ? TP_STREAM_DTLS : 0) | (s->draining ? TP_STREAM_DRAINING : 0);
}

static int dial(struct stream *s, enum stream_peer_name name)
{
	struct tp_stream_hello hello = {.hello.header = {.magic = TP_ABI_MAGIC,
						.major = TP_ABI_MAJOR,
						.minor = TP_ABI_MINOR,
						.type = TP_MSG_HELLO,
						.length_bytes = sizeof(hello)},
		.hello.role = TP_ROLE_STREAM,
		.hello.pid = (uint32_t)getpid(),
		.stream = s->number,
		.flags = flags(s)};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stream_peer *p = &s->peers[name];
	int n = snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/%s", s->conf->run_directory,
		known[name].socket);

	if (n < 0 || (size_t)n >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	p->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	tp_sizes_fill(hello.hello.sizes);
	int rc = tp_message_send(p->fd, &hello, sizeof(hello), NULL, 0);
	return rc ? rc : stream_watch(s, p->fd, EPOLLIN, STREAM_EVENT_PEER, name);
}

static void try(struct stream *s, enum stream_peer_name name)
{
	struct stream_peer *p = &s->peers[name];
	int rc = dial(s, name);

	if (rc == 0) {
		p->state = STREAM_PEER_GREETED;
		p->retry_ns = 0;
		return;
	}
	detach(s, name);
	if (!p->told)
		tp_notice("waiting for %s at %s/%s (%s)", known[name].who, s->conf->run_directory,
			known[name].socket, strerror(-rc));
	p->told = true;
	if (rc != -ENOENT && p->retries > 0) {
		p->retries--;
		p->retry_ns = s->now_ns + LISTEN_RETRY_NS;
	}
}

// What has just gone may be back already; if not, its socket will appear.
static void lost(struct stream *s, enum stream_peer_name name, const char *why)
{
	struct stream_peer *p = &s->peers[name];
	bool was_attached = p->state == STREAM_PEER_ATTACHED;

	if (was_attached)
		tp_warning("%s is gone%s%s; waiting for its return", known[name].who,
			*why ? ": " : "", why);
	else if (*why)
		tp_error("%s: %s", known[name].who, why);
	p->told = p->told || was_attached;
	detach(s, name);
	if (was_attached)
		p->retries = LISTEN_RETRIES;
	// An answer that makes no sense will not make more at once.
	p->retry_ns = s->now_ns + (was_attached ? 1 : REFUSED_RETRY_NS);
}

// Our number is taken, or its place. With clients that are known by it there is no way but to begin
// anew with them.
static void take_another_number(struct stream *s)
{
	for (uint32_t i = 0; i < s->table.capacity; i++)
		if (s->table.at[i])
			stream_connection_end(s, s->table.at[i]);
	if (draw_number(s) < 0)
		return;
	detach(s, STREAM_CONTROL);
	s->peers[STREAM_CONTROL].retry_ns = s->now_ns;
}

static void refused(struct stream *s, enum stream_peer_name name, const void *bytes, size_t length)
{
	struct stream_peer *p = &s->peers[name];
	struct tp_refused message;

	if (length < sizeof(message)) {
		lost(s, name, "refusal cut short");
		return;
	}
	memcpy(&message, bytes, sizeof(message));
	detach(s, name);
	if (name == STREAM_DATAPLANE && message.reason == TP_REFUSED_BUSY &&
		p->busy < 2 * TP_STREAM_PLACES) {
		p->busy++;
		take_another_number(s);
		p->retry_ns = s->now_ns + 1;
		return;
	}
	if (p->refusal != message.reason)
		tp_error(
			"%s refuses us (reason %u); trying again", known[name].who, message.reason);
	p->refusal = message.reason;
	p->busy = 0;
	p->retry_ns = s->now_ns + REFUSED_RETRY_NS;
}

static int attach(struct stream *s, enum stream_peer_name name, const void *message, size_t length,
	const int *fds, size_t n_fds, char why[TP_WHY_BYTES])
{
	struct stream_requests_rings rings;
	struct stream_media media;
	int rc;

	if (name == STREAM_DATAPLANE) {
		rc = stream_media_open(message, length, fds, n_fds, &media, why);
		if (rc == 0)
			stream_media_attached(s, &media);
	} else {
		rc = stream_requests_rings_open(message, length, fds, n_fds, &rings, why);
		if (rc == 0)
			stream_control_attached(s, &rings);
	}
	return rc;
}

static void attached(struct stream *s, enum stream_peer_name name)
{
	struct stream_peer *p = &s->peers[name];

	p->state = STREAM_PEER_ATTACHED;
	p->told = false;
	p->refusal = 0;
	p->busy = 0;
	tp_notice("attached to %s, pid %u, as stream %08x", known[name].who,
		name == STREAM_DATAPLANE ? s->media.pid : s->control.pid, s->number);
}

static void take_message(struct stream *s, enum stream_peer_name name, const void *message,
	size_t length, const int *fds, size_t n_fds)
{
	struct tp_message_header header = {0};
	char why[TP_WHY_BYTES] = "";

	if (length >= sizeof(header))
		memcpy(&header, message, sizeof(header));
	if (s->peers[name].state == STREAM_PEER_GREETED && header.type == known[name].answer) {
		if (attach(s, name, message, length, fds, n_fds, why) == 0)
			attached(s, name);
		else
			lost(s, name, why);
		return;
	}
	if (name == STREAM_CONTROL && s->peers[name].state == STREAM_PEER_ATTACHED && n_fds == 1 &&
		header.magic == TP_ABI_MAGIC && header.type == TP_MSG_STREAM_FAR &&
		length == sizeof(struct tp_stream_far_socket)) {
		struct tp_stream_far_socket handed;

		memcpy(&handed, message, sizeof(handed));
		stream_relay_handed(s, &handed.far, fds[0]);
		return;
	}
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	if (header.magic == TP_ABI_MAGIC && header.type == TP_MSG_REFUSED &&
		s->peers[name].state == STREAM_PEER_GREETED)
		refused(s, name, message, length);
	else
		lost(s, name, "unexpected message");
}

void stream_peer_event(struct stream *s, enum stream_peer_name name)
{
	union {
		struct tp_stream_attached attached;
		uint8_t bytes[4096];
	} buffer;
	int fds[TP_STREAM_ATTACHED_MAX_FDS];
	size_t n_fds = 0;
	ssize_t n;

	if (s->peers[name].fd < 0) // of an event that is late
		return;
	n = tp_message_receive(s->peers[name].fd, &buffer, sizeof(buffer), fds,
		TP_STREAM_ATTACHED_MAX_FDS, &n_fds);
	if (n == -EAGAIN)
		return;
	if (n <= 0)
		lost(s, name, "");
	else
		take_message(s, name, &buffer, (size_t)n, fds, n_fds);
}

void stream_peers_directory_event(struct stream *s)
{
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t n;

	while ((n = read(s->inotify_fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(buffer + at);

			at += (ssize_t)(sizeof(*e) + e->len);
			for (int name = 0; e->len > 0 && name < STREAM_PEERS; name++) {
				struct stream_peer *p = &s->peers[name];

				if (strcmp(e->name, known[name].socket) != 0 ||
					p->state != STREAM_PEER_AWAY)
					continue;
				p->retries = LISTEN_RETRIES;
				p->retry_ns = s->now_ns;
			}
		}
	}
}

uint64_t stream_peers_retry(struct stream *s)
{
	uint64_t next = UINT64_MAX;

	for (int name = 0; name < STREAM_PEERS; name++) {
		struct stream_peer *p = &s->peers[name];

		if (p->retry_ns > 0 && p->retry_ns <= s->now_ns)
			try(s, name);
		if (p->retry_ns > 0 && p->retry_ns < next)
			next = p->retry_ns;
	}
	return next;
}

int stream_peers_open(struct stream *s)
{
	int rc = draw_number(s);

	for (int name = 0; name < STREAM_PEERS; name++)
		s->peers[name] = (struct stream_peer){.fd = -1};
	if (rc)
		return rc;
	s->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->inotify_fd < 0 || inotify_add_watch(s->inotify_fd, s->conf->run_directory,
					 IN_CREATE | IN_MOVED_TO) < 0) {
		rc = -errno;
		tp_error("run directory %s cannot be watched: %s", s->conf->run_directory,
			strerror(-rc));
		return rc;
	}
	rc = stream_watch(s, s->inotify_fd, EPOLLIN, STREAM_EVENT_DIRECTORY, 0);
	// After the watch, so that no socket appears in between.
	for (int name = 0; rc == 0 && name < STREAM_PEERS; name++) {
		s->peers[name].retries = LISTEN_RETRIES;
		try(s, name);
	}
	return rc;
}

void stream_peers_close(struct stream *s)
{
	for (int name = 0; name < STREAM_PEERS; name++)
		detach(s, name);
	if (s->inotify_fd >= 0)
		close(s->inotify_fd);
	s->inotify_fd = -1;
}

void stream_peers_draining(struct stream *s)
{
	const struct tp_stream_state state = {.header = {.magic = TP_ABI_MAGIC,
						      .major = TP_ABI_MAJOR,
						      .minor = TP_ABI_MINOR,
						      .type = TP_MSG_STREAM_STATE,
						      .length_bytes = sizeof(state)},
		.flags = flags(s)};

	if (s->peers[STREAM_DATAPLANE].state == STREAM_PEER_ATTACHED)
		tp_message_send(s->peers[STREAM_DATAPLANE].fd, &state, sizeof(state), NULL, 0);
}
