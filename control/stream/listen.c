// SPDX-License-Identifier: BSD-3-Clause
// The listeners' sockets. Several processes have one each on the same address: SO_REUSEPORT.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "control/stream/stream.h"

#define BACKLOG      4096
#define ACCEPT_BATCH 64
#define LOG_EVERY_NS (60 * TP_NS_PER_S)
#define UNSENT_BYTES 32768 // in the kernel; more would be media that nobody can drop any more
#define KEEP_IDLE_S  60
#define KEEP_EVERY_S 15
#define KEEP_TIMES   4

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

// What accepted sockets inherit is set once, here.
static int open_listener(struct stream *s, uint32_t i)
{
	struct stream_listener *l = &s->listeners[i];
	struct sockaddr_storage sa;
	socklen_t length = (socklen_t)tp_addr_to_sockaddr(&l->address, &sa);

	l->fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	set(l->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set(l->fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set(l->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(l->fd, IPPROTO_TCP, TCP_NODELAY, 1);
	set(l->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
	set(l->fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
	set(l->fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY_S);
	set(l->fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_TIMES);
	if (sa.ss_family == AF_INET6)
		set(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (bind(l->fd, (struct sockaddr *)&sa, length) < 0 || listen(l->fd, BACKLOG) < 0)
		return -errno;
	return stream_watch(s, l->fd, EPOLLIN, STREAM_EVENT_LISTENER, i);
}

static void say_listening(const struct stream_listener *l)
{
	char text[TP_ADDR_STRLEN];

	tp_info("listening on %s:%s%s%s%s", tp_addr_format(&l->address, text),
		l->transports & CONF_TRANSPORT_TCP ? " tcp" : "",
		l->transports & CONF_TRANSPORT_TLS ? " tls" : "",
		l->transports & CONF_TRANSPORT_DTLS ? " dtls" : "",
		l->proxied ? ", by proxies" : "");
}

// Datagrams come by the workers.
int stream_listen(struct stream *s)
{
	const uint32_t connected = CONF_TRANSPORT_TCP | CONF_TRANSPORT_TLS;
	const uint32_t ours = connected | CONF_TRANSPORT_DTLS;
	char text[TP_ADDR_STRLEN];

	for (size_t n = 0; n < s->conf->n_listeners; n++) {
		const struct conf_listener *of = &s->conf->listeners[n];
		struct stream_listener *l = &s->listeners[s->n_listeners];

		if (!(of->transports & ours))
			continue;
		*l = (struct stream_listener){.fd = -1,
			.address = {.ip = of->address, .port = of->port},
			.transports = of->transports & ours,
			.proxied = of->proxy_protocol};
		uint32_t i = (uint32_t)s->n_listeners++;
		int rc = l->transports & connected ? open_listener(s, i) : 0;
		if (rc < 0) {
			tp_error("cannot listen on %s: %s", tp_addr_format(&l->address, text),
				strerror(-rc));
			return rc;
		}
		say_listening(l);
	}
	if (s->n_listeners == 0) {
		tp_error("no listener has the transport tcp, tls or dtls: nothing to do");
		return -EINVAL;
	}
	return 0;
}

// Out of descriptors: a client that cannot be taken would stay in front of all others, and wake us
// without end.
void stream_turn_away(struct stream *s, int listener_fd)
{
	int fd;

	if (s->spare_fd < 0)
		return;
	close(s->spare_fd);
	fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	stream_count(s, STREAM_COUNT_refused_memory, 1);
}

bool stream_may_take(struct stream *s, const struct tp_addr *client)
{
	bool room = s->table.used < s->conf->streams.connections;

	if (room &&
		stream_limit_take(&s->limit, &client->ip, s->conf->streams.connections_per_address))
		return true;
	stream_count(s, room ? STREAM_COUNT_refused_address : STREAM_COUNT_refused_total, 1);
	return false;
}

// Who could say who it is would get around every limit.
static void refuse_stranger(struct stream *s, uint32_t i, const struct tp_addr *from)
{
	struct stream_listener *l = &s->listeners[i];
	char source[TP_ADDR_STRLEN], listener[TP_ADDR_STRLEN];

	stream_count(s, STREAM_COUNT_refused_proxy, 1);
	if (l->stranger_logged_ns != 0 && s->now_ns - l->stranger_logged_ns < LOG_EVERY_NS)
		return;
	tp_warning("%s: %s is not in streams.proxy_sources, refused; said once a minute",
		tp_addr_format(&l->address, listener), tp_addr_format(from, source));
	l->stranger_logged_ns = s->now_ns;
}

// Of one that a proxy passes on the limits are looked at when it is known who it is.
static bool may_take_proxied(struct stream *s, uint32_t i, const struct tp_addr *from)
{
	if (s->table.used >= s->conf->streams.connections)
		stream_count(s, STREAM_COUNT_refused_total, 1);
	else if (!stream_proxy_trusted(s->conf, &from->ip))
		refuse_stranger(s, i, from);
	else
		return true;
	return false;
}

static void take(struct stream *s, uint32_t i, int fd, const struct tp_addr *client)
{
	const bool proxied = s->listeners[i].proxied;

	if (proxied ? may_take_proxied(s, i, client) : stream_may_take(s, client))
		stream_connection_accept(s, fd, (uint8_t)i, client);
	else
		close(fd);
}

void stream_accept(struct stream *s, uint32_t i)
{
	for (int n = 0; s->listeners[i].fd >= 0 && n < ACCEPT_BATCH; n++) {
		struct sockaddr_storage sa;
		socklen_t length = sizeof(sa);
		struct tp_addr client;
		int fd = accept4(s->listeners[i].fd, (struct sockaddr *)&sa, &length,
			SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE))
			stream_turn_away(s, s->listeners[i].fd);
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0) // of a client that is gone already, or turned away
			continue;
		if (tp_addr_from_sockaddr(&sa, &client) < 0)
			close(fd);
		else
			take(s, i, fd, &client);
	}
}

void stream_unlisten(struct stream *s)
{
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		if (s->listeners[i].fd < 0)
			continue;
		stream_accept(s, i); // who is in the queue already would be reset
		close(s->listeners[i].fd);
		s->listeners[i].fd = -1;
	}
}
