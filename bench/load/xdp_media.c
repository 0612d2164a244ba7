// SPDX-License-Identifier: BSD-3-Clause
// Media by AF_XDP: one socket at the clients' interface, one at the peer's. Requests and their
// answers stay with the kernel's sockets, and the answers show the way.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "bench/load/load.h"
#include "bench/load/xdp.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "common/wire/stun_write.h"

#define ASKS   10
#define ASK_MS 200

struct load_media {
	struct load_xdp client, peer;
};

static int open_one(struct load *l, struct load_xdp *x, const char *name_space,
	const struct tp_ip *here, uint16_t offset, uint32_t tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};
	char text[TP_ADDR_STRLEN];
	int rc = load_xdp_open(
		x, name_space, here, &l->options.server.ip, htobe32(LOAD_NUMBER_MAGIC), offset);

	if (rc)
		snprintf(l->failure, sizeof(l->failure), "AF_XDP at %s: %s",
			tp_ip_format(here, text),
			rc == -ENODEV ? "no interface has this address" : strerror(-rc));
	if (rc == 0 && epoll_ctl(l->epoll, EPOLL_CTL_ADD, x->fd, &event) < 0)
		rc = -errno;
	return rc;
}

int load_media_open(struct load *l)
{
	const struct load_options *o = &l->options;
	int rc;

	l->media = calloc(1, sizeof(*l->media));
	if (!l->media)
		return -ENOMEM;
	l->media->client.fd = l->media->peer.fd = -1;
	rc = open_one(l, &l->media->client, o->client_namespace, &o->client_address,
		CHANDATA_HEADER_BYTES, LOAD_MEDIA_CLIENT_TAG);
	return rc ? rc
		  : open_one(l, &l->media->peer, o->peer_namespace, &o->peer_address, 0,
			    LOAD_MEDIA_PEER_TAG);
}

void load_media_close(struct load *l)
{
	if (!l->media)
		return;
	load_xdp_close(&l->media->client);
	load_xdp_close(&l->media->peer);
	free(l->media);
	l->media = NULL;
}

// Of a peer nobody wants an answer before its media comes: a Binding request has one.
static void ask(struct load *l)
{
	struct pollfd readable = {.fd = l->peer_sock, .events = POLLIN};
	struct sockaddr_storage sa;
	socklen_t length = (socklen_t)tp_addr_to_sockaddr(&l->options.server, &sa);
	uint8_t request[STUN_HEADER_BYTES], transaction[STUN_TRANSACTION_ID_BYTES], answer[1024];
	struct stun_writer w;

	if (getrandom(transaction, sizeof(transaction), 0) != sizeof(transaction))
		return;
	stun_write_begin(&w, request, sizeof(request), STUN_REQUEST, STUN_BINDING, transaction);
	sendto(l->peer_sock, request, (size_t)stun_write_finish(&w), 0, (struct sockaddr *)&sa,
		length);
	if (poll(&readable, 1, ASK_MS) > 0)
		recv(l->peer_sock, answer, sizeof(answer), MSG_DONTWAIT);
}

int load_media_find_ways(struct load *l)
{
	for (int i = 0; i < ASKS && !load_xdp_has_way(&l->media->peer); i++)
		ask(l);
	if (load_xdp_has_way(&l->media->client) && load_xdp_has_way(&l->media->peer))
		return 0;
	snprintf(l->failure, sizeof(l->failure),
		"AF_XDP: no answer to a Binding request of %s, which would show the way",
		load_xdp_has_way(&l->media->client) ? "the peer" : "the clients");
	return -ENETUNREACH;
}

// ---- sending

void load_media_send_up(struct load *l, struct load_client *c)
{
	uint8_t *data = load_xdp_payload(&l->media->client);

	if (!data)
		return;
	load_write_up(l, c, data);
	load_xdp_send(&l->media->client, data, CHANDATA_HEADER_BYTES + l->options.payload_bytes,
		c->port, &l->options.server);
	c->up.sent++;
}

void load_media_send_down(struct load *l, struct load_client *c)
{
	uint8_t *data = load_xdp_payload(&l->media->peer);

	if (!data)
		return;
	load_write_down(l, c, data);
	load_xdp_send(&l->media->peer, data, l->options.payload_bytes, l->peer.port, &c->relayed);
	c->down.sent++;
}

void load_media_flush(struct load *l)
{
	load_xdp_flush(&l->media->client);
	load_xdp_flush(&l->media->peer);
}

// ---- receiving

static void take_client(void *context, uint16_t to_port, const uint8_t *data, uint32_t bytes)
{
	struct load *l = context;
	uint64_t number = bytes >= CHANDATA_HEADER_BYTES + LOAD_NUMBER_BYTES
				  ? tp_rd64(data + CHANDATA_HEADER_BYTES + 8)
				  : UINT64_MAX;

	if (number < l->options.clients && l->clients[number].port == to_port)
		load_take_down(l, &l->clients[number], data, bytes, tp_now_ns());
	else
		l->failures++;
}

static void take_peer(void *context, uint16_t to_port, const uint8_t *data, uint32_t bytes)
{
	struct load *l = context;

	if (to_port == l->peer.port)
		load_take_up(l, data, bytes, tp_now_ns());
	else
		l->failures++;
}

void load_media_receive(struct load *l, uint32_t tag)
{
	if (tag == LOAD_MEDIA_CLIENT_TAG)
		load_xdp_receive(&l->media->client, take_client, l);
	else
		load_xdp_receive(&l->media->peer, take_peer, l);
}
