// SPDX-License-Identifier: BSD-3-Clause
// Sockets with a relayed transport address for their own: one that listens, and any number that
// connect. SO_REUSEPORT lets them share it, also with what an earlier generation still has.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "control/stream/stream.h"

#define BACKLOG       16
#define ACCEPT_BATCH  8
#define UNJUDGED_MOST 8 // of one allocation: whoever has no permission costs control this much
#define KEEP_IDLE_S   60
#define KEEP_EVERY_S  15
#define KEEP_TIMES    4
#define UNSENT_BYTES  131072

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

// Bound to the relayed transport address. Descriptor or -errno.
static int open_socket(const struct tp_addr *address)
{
	struct sockaddr_storage sa;
	socklen_t length = (socklen_t)tp_addr_to_sockaddr(address, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
	set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY_S);
	set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_TIMES);
	// A relay address of a prefix is a route of this machine, no address of it.
	if (sa.ss_family == AF_INET6) {
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
		set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	} else {
		set(fd, IPPROTO_IP, IP_FREEBIND, 1);
	}
	if (bind(fd, (struct sockaddr *)&sa, length) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

// ---- listening

static struct stream_relayed *relayed_of(struct stream_connection *owner)
{
	struct stream_relayed *of = owner->relayed;

	if (of)
		return of;
	of = calloc(1, sizeof(*of));
	if (!of)
		return NULL;
	of->owner = owner;
	of->listener[0].fd = of->listener[1].fd = -1;
	stream_list_init(&of->relays);
	owner->relayed = of;
	return of;
}

static int listen_at(struct stream *s, struct stream_relayed *of, int which)
{
	const enum stream_event what =
		which ? STREAM_EVENT_RELAYED_SECOND : STREAM_EVENT_RELAYED_FIRST;
	int fd = open_socket(&of->listener[which].address), rc;

	if (fd < 0)
		return fd;
	rc = listen(fd, BACKLOG) < 0 ? -errno
				     : stream_watch(s, fd, EPOLLIN, what, of->owner->number);
	if (rc) {
		close(fd);
		return rc;
	}
	of->listener[which].fd = fd;
	of->listener[which].paused = false;
	return 0;
}

// Each address as it is wanted; one that is there already stays.
static int listen_as_said(
	struct stream *s, struct stream_relayed *of, const struct tp_stream_listen *said)
{
	int rc = 0;

	for (int i = 0; i < 2; i++) {
		bool wanted = said->relay[i].ip.family != TP_FAMILY_NONE;

		if (of->listener[i].fd >= 0 &&
			tp_addr_equal(&of->listener[i].address, &said->relay[i]))
			continue;
		if (of->listener[i].fd >= 0)
			close(of->listener[i].fd);
		of->listener[i].fd = -1;
		of->listener[i].address = said->relay[i];
		if (wanted && rc == 0)
			rc = listen_at(s, of, i);
	}
	return rc;
}

void stream_relay_listen(
	struct stream *s, struct stream_connection *owner, const struct tp_stream_listen *said)
{
	struct stream_relayed *of = relayed_of(owner);
	char text[TP_ADDR_STRLEN];
	int rc;

	if (!of)
		return; // control waits in vain, for a while
	rc = listen_as_said(s, of, said);
	if (rc)
		tp_warning("cannot listen on the relayed address %s: %s",
			tp_addr_format(&said->relay[0], text), strerror(-rc));
	else
		stream_count(s, STREAM_COUNT_relay_listens, 1);
	of->listened_due = true;
	of->listened_error = -rc;
	stream_list_add(&s->talk, &owner->talk);
}

// ---- peers that come

static void watch_listeners(struct stream *s, struct stream_relayed *of, bool paused)
{
	for (int i = 0; i < 2; i++) {
		const enum stream_event what =
			i ? STREAM_EVENT_RELAYED_SECOND : STREAM_EVENT_RELAYED_FIRST;
		struct epoll_event e = {.events = paused ? 0 : EPOLLIN,
			.data.u64 = (uint64_t)what << 32 | of->owner->number};

		if (of->listener[i].fd < 0 || of->listener[i].paused == paused)
			continue;
		epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, of->listener[i].fd, &e);
		of->listener[i].paused = paused;
	}
}

static uint32_t draw_id(const struct stream *s)
{
	uint32_t id;

	do {
		if (getrandom(&id, sizeof(id), GRND_NONBLOCK) != sizeof(id))
			return 0;
	} while (id == 0 || stream_relay_find(s, id));
	return id;
}

static void came(
	struct stream *s, struct stream_relayed *of, int which, int fd, const struct tp_addr *peer)
{
	uint32_t id = draw_id(s);
	struct stream_relay *r = id ? stream_relay_new(s, id) : NULL;

	if (!r) {
		stream_count(s, STREAM_COUNT_refused_memory, 1);
		close(fd);
		return;
	}
	stream_count(s, STREAM_COUNT_relay_came, 1);
	r->fd = fd;
	r->state = TP_STREAM_FAR_UNJUDGED;
	r->owner = (struct tp_stream_client){.stream = s->number, .connection = of->owner->number};
	r->address = of->listener[which].address;
	r->peer = *peer;
	stream_relay_join(r, of);
	of->unjudged++;
	stream_relay_time(s, r, STREAM_RELAY_TIMER_WAIT);
	stream_relay_tell(s, r, STREAM_RELAY_DUE_CAME);
}

void stream_relay_accept(struct stream *s, uint32_t owner, int which)
{
	struct stream_connection *c = stream_table_find(&s->table, owner);
	struct stream_relayed *of = c ? c->relayed : NULL;

	if (!of || of->listener[which].fd < 0)
		return;
	for (int n = 0; n < ACCEPT_BATCH && of->unjudged < UNJUDGED_MOST; n++) {
		struct sockaddr_storage sa;
		socklen_t length = sizeof(sa);
		struct tp_addr peer;
		int fd = accept4(of->listener[which].fd, (struct sockaddr *)&sa, &length,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			stream_turn_away(s, of->listener[which].fd);
		if (fd < 0)
			return;
		if (tp_addr_from_sockaddr(&sa, &peer) < 0)
			close(fd);
		else
			came(s, of, which, fd, &peer);
	}
	if (of->unjudged >= UNJUDGED_MOST)
		watch_listeners(s, of, true);
}

void stream_relay_judged(struct stream *s, struct stream_relayed *of)
{
	of->unjudged--;
	watch_listeners(s, of, false);
}

// ---- to peers

static int begin_connect(struct stream *s, struct stream_relay *r)
{
	struct sockaddr_storage sa;
	socklen_t length = (socklen_t)tp_addr_to_sockaddr(&r->peer, &sa);

	r->fd = open_socket(&r->address);
	if (r->fd < 0)
		return r->fd;
	if (connect(r->fd, (struct sockaddr *)&sa, length) < 0 && errno != EINPROGRESS)
		return -errno;
	r->events = EPOLLOUT;
	r->watched = true;
	return stream_watch(s, r->fd, EPOLLOUT, STREAM_EVENT_RELAY, r->id);
}

static void connect_failed(struct stream *s, struct stream_relay *r, int error)
{
	stream_count(s, STREAM_COUNT_relay_failed, 1);
	stream_list_remove(&r->timer);
	r->error = error;
	stream_relay_tell(s, r, STREAM_RELAY_DUE_CONNECTED);
}

void stream_relay_connect(struct stream *s, const struct tp_stream_far *said)
{
	struct stream_connection *owner = stream_table_find(&s->table, said->owner.connection);
	struct stream_relay *r;
	int rc;

	if (said->owner.stream != s->number || !owner || !owner->relayed ||
		stream_relay_find(s, said->id))
		return; // its allocation ends, and control knows
	stream_count(s, STREAM_COUNT_relay_connects, 1);
	r = stream_relay_new(s, said->id);
	if (!r) {
		stream_relay_deny(s, said, ENOBUFS);
		return;
	}
	r->state = TP_STREAM_FAR_CONNECTING;
	r->known = true;
	r->owner = said->owner;
	r->address = said->relay;
	r->peer = said->peer;
	memcpy(r->transaction_id, said->transaction_id, sizeof(r->transaction_id));
	stream_relay_join(r, owner->relayed);
	stream_relay_time(s, r, STREAM_RELAY_TIMER_CONNECT);
	rc = begin_connect(s, r);
	if (rc)
		connect_failed(s, r, -rc);
}

// Nothing is watched of it until it is bound: what the peer says waits in the kernel, which makes
// its window small. Its end is seen then, too.
void stream_relay_connect_event(struct stream *s, struct stream_relay *r)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, r->fd, NULL);
	r->watched = false;
	r->events = 0;
	if (error) {
		connect_failed(s, r, error);
		return;
	}
	r->state = TP_STREAM_FAR_WAITING;
	stream_relay_time(s, r, STREAM_RELAY_TIMER_WAIT);
	stream_relay_tell(s, r, STREAM_RELAY_DUE_CONNECTED);
}
