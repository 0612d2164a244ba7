// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/socket.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <libmnl/libmnl.h>

// Enough for some ten thousand events while the management thread is busy.
#define EVENT_BUFFER_BYTES (8 * 1024 * 1024)
#define ANSWER_LIMIT_S     5

static int socket_options(int fd, bool blocking)
{
	const struct timeval limit = {.tv_sec = ANSWER_LIMIT_S};
	int bytes = EVENT_BUFFER_BYTES, one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	if (blocking && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -errno;
	return 0;
}

int dp_net_socket_open(struct net_socket *s, const int groups[], bool blocking)
{
	const struct sockaddr_nl address = {.nl_family = AF_NETLINK};
	int rc;

	s->sequence = 0;
	s->buffer = malloc(NET_RECEIVE_BYTES);
	s->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK),
		NETLINK_ROUTE);
	rc = !s->buffer ? -ENOMEM : s->fd < 0 ? -errno : socket_options(s->fd, blocking);
	if (rc == 0 && bind(s->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		rc = -errno;
	for (; rc == 0 && *groups; groups++)
		if (setsockopt(s->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups,
			    sizeof(*groups)) < 0)
			rc = -errno;
	if (rc < 0)
		dp_net_socket_close(s);
	return rc;
}

void dp_net_socket_close(struct net_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->buffer);
	s->fd = -1;
	s->buffer = NULL;
}

static int socket_send(struct net_socket *s, struct nlmsghdr *request)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	request->nlmsg_seq = ++s->sequence;
	do {
		n = sendto(s->fd, request, request->nlmsg_len, 0, (const struct sockaddr *)&kernel,
			sizeof(kernel));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

// One datagram of the kernel's (others are skipped): its length, or -errno.
static ssize_t socket_receive(struct net_socket *s)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_bytes = sizeof(from);
		ssize_t n = recvfrom(s->fd, s->buffer, NET_RECEIVE_BYTES, MSG_TRUNC,
			(struct sockaddr *)&from, &from_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0)
			continue;
		return n > NET_RECEIVE_BYTES ? -EMSGSIZE : n;
	}
}

// mnl_nlmsg_ok takes a length beyond 2 GiB for a negative one that fits.
static bool message_ok(const struct nlmsghdr *message, int left)
{
	return left >= (int)sizeof(*message) && message->nlmsg_len <= (uint32_t)left &&
	       mnl_nlmsg_ok(message, left);
}

static int error_of(const struct nlmsghdr *message)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(error->error))
		return -EPROTO;
	return error->error; // 0 is an acknowledgement
}

// Reads messages of the answer until its end. `interrupted` may be NULL.
static int read_answer(struct net_socket *s, net_apply_fn apply, void *context, bool *interrupted)
{
	for (;;) {
		ssize_t n = socket_receive(s);
		int left = (int)n;

		if (n < 0)
			return (int)n;
		for (const struct nlmsghdr *m = (const void *)s->buffer; message_ok(m, left);
			m = mnl_nlmsg_next(m, &left)) {
			if (m->nlmsg_seq != s->sequence)
				continue; // late answer to a request that was given up
			if (interrupted && (m->nlmsg_flags & NLM_F_DUMP_INTR))
				*interrupted = true;
			if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE)
				return error_of(m);
			if (m->nlmsg_type >= NLMSG_MIN_TYPE && apply)
				apply(context, m);
		}
	}
}

int dp_net_socket_request(
	struct net_socket *s, struct nlmsghdr *request, net_apply_fn apply, void *context)
{
	int rc = socket_send(s, request);

	return rc < 0 ? rc : read_answer(s, apply, context, NULL);
}

int dp_net_socket_dump(
	struct net_socket *s, uint16_t type, uint8_t family, net_apply_fn apply, void *context)
{
	alignas(struct nlmsghdr) char buffer[128];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	bool interrupted = false;
	struct rtgenmsg *generic;
	int rc;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	generic = mnl_nlmsg_put_extra_header(request, sizeof(*generic));
	generic->rtgen_family = family;
	rc = socket_send(s, request);
	if (rc == 0)
		rc = read_answer(s, apply, context, &interrupted);
	return rc < 0 ? rc : interrupted ? -EINTR : 0;
}

int dp_net_socket_events(struct net_socket *s, uint32_t max, net_apply_fn apply, void *context)
{
	for (uint32_t i = 0; i < max; i++) {
		ssize_t n = socket_receive(s);
		int left = (int)n;

		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return n == -EMSGSIZE ? -ENOBUFS : (int)n;
		for (const struct nlmsghdr *m = (const void *)s->buffer; message_ok(m, left);
			m = mnl_nlmsg_next(m, &left))
			if (m->nlmsg_type >= NLMSG_MIN_TYPE)
				apply(context, m);
	}
	return 1;
}
