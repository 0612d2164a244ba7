// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load/load.h"

int load_client_open(struct load *l, struct load_client *c)
{
	const struct load_options *o = &l->options;
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = c->number};
	struct sockaddr_storage sa;
	struct tp_addr own;
	socklen_t len = (socklen_t)tp_addr_to_sockaddr(&o->server, &sa);

	if (c->sock >= 0)
		close(c->sock);
	c->sock = load_socket(o->client_namespace, &o->client_address,
		o->client_port ? (uint16_t)(o->client_port + c->number) : 0);
	if (c->sock < 0)
		return c->sock;
	if (connect(c->sock, (struct sockaddr *)&sa, len) < 0 ||
		epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->sock, &event) < 0)
		return -errno;
	len = sizeof(sa);
	if (getsockname(c->sock, (struct sockaddr *)&sa, &len) < 0 ||
		tp_addr_from_sockaddr(&sa, &own) < 0)
		return -EIO;
	c->port = own.port;
	return 0;
}
