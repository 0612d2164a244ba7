// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/stream/streams.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"

#define DIRECTION_UP   UINT32_C(1)
#define DIRECTION_DOWN UINT32_C(2)
#define BATCH          64

// What is being built or received; one process has one load, so the batch is its own.
static struct {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_storage names[BATCH];
	uint8_t data[BATCH][STREAMS_PAYLOAD_MOST];
	unsigned int queued;
} out, in;

// 4 direction, 4 client, 8 number, 8 when, then a pattern of the number.
static void payload_write(
	uint8_t *p, uint32_t bytes, uint32_t direction, uint32_t client, uint64_t number)
{
	tp_wr32(p, direction);
	tp_wr32(p + 4, client);
	tp_wr64(p + 8, number);
	tp_wr64(p + 16, tp_now_ns());
	memset(p + STREAMS_PAYLOAD_LEAST, (int)(number * 31 + client),
		bytes - STREAMS_PAYLOAD_LEAST);
}

static bool payload_is_whole(
	const struct streams *s, const uint8_t *p, size_t bytes, uint32_t direction)
{
	if (bytes != s->options.payload_bytes || tp_rd32(p) != direction ||
		tp_rd32(p + 4) >= s->options.clients)
		return false;
	uint8_t pattern = (uint8_t)(tp_rd64(p + 8) * 31 + tp_rd32(p + 4)), differs = 0;
	for (size_t i = STREAMS_PAYLOAD_LEAST; i < bytes; i++)
		differs |= p[i] ^ pattern;
	return differs == 0;
}

static void arrived(struct streams_flow *f, struct streams_times *times, const uint8_t *payload)
{
	uint64_t number = tp_rd64(payload + 8), sent_ns = tp_rd64(payload + 16), now = tp_now_ns();

	if (number < f->next) {
		f->wrong++;
		return;
	}
	f->next = number + 1;
	f->received++;
	streams_times_add(times, now > sent_ns ? now - sent_ns : 0);
}

void streams_send_up(struct streams *s, struct streams_client *c)
{
	uint8_t data[CHANDATA_HEADER_BYTES + STREAMS_PAYLOAD_MOST + 3];
	uint32_t bytes = s->options.payload_bytes, whole = CHANDATA_HEADER_BYTES + bytes;

	chandata_write(data, c->channel, (uint16_t)bytes);
	payload_write(data + CHANDATA_HEADER_BYTES, bytes, DIRECTION_UP, c->number, c->up.sent);
	memset(data + whole, 0, -whole & 3);
	streams_send(c, data, whole + (-whole & 3));
	c->up.sent++;
	s->sent_up++;
}

void streams_send_down(struct streams *s, struct streams_client *c)
{
	unsigned int i = out.queued++;
	uint32_t bytes = s->options.payload_bytes;

	payload_write(out.data[i], bytes, DIRECTION_DOWN, c->number, c->down.sent);
	out.vectors[i] = (struct iovec){.iov_base = out.data[i], .iov_len = bytes};
	out.messages[i].msg_hdr = (struct msghdr){
		.msg_name = &out.names[i],
		.msg_namelen = (socklen_t)tp_addr_to_sockaddr(&c->relayed, &out.names[i]),
		.msg_iov = &out.vectors[i],
		.msg_iovlen = 1,
	};
	c->down.sent++;
	if (!c->deaf)
		s->sent_down++;
	if (out.queued == BATCH)
		streams_send_down_flush(s);
}

void streams_send_down_flush(struct streams *s)
{
	for (unsigned int done = 0; done < out.queued;) {
		int n = sendmmsg(s->peer_sock, out.messages + done, out.queued - done, 0);
		// What the kernel did not take is lost, and counted so: its number was given.
		done += n > 0 ? (unsigned int)n : 1;
	}
	out.queued = 0;
}

void streams_take_down(
	struct streams *s, struct streams_client *c, const uint8_t *payload, size_t length)
{
	if (!payload_is_whole(s, payload, length, DIRECTION_DOWN) ||
		tp_rd32(payload + 4) != c->number) {
		c->down.wrong++;
		return;
	}
	arrived(&c->down, &s->down_times, payload);
	if (!c->deaf)
		s->reached_down++;
}

static int receive_batch(int sock)
{
	for (unsigned int i = 0; i < BATCH; i++) {
		in.vectors[i] =
			(struct iovec){.iov_base = in.data[i], .iov_len = sizeof(in.data[i])};
		in.messages[i].msg_hdr =
			(struct msghdr){.msg_iov = &in.vectors[i], .msg_iovlen = 1};
	}
	return recvmmsg(sock, in.messages, BATCH, MSG_DONTWAIT, NULL);
}

void streams_receive_peer(struct streams *s)
{
	int n;

	do {
		n = receive_batch(s->peer_sock);
		for (int i = 0; i < n; i++) {
			const uint8_t *payload = in.data[i];
			if (payload_is_whole(s, payload, in.messages[i].msg_len, DIRECTION_UP)) {
				arrived(&s->clients[tp_rd32(payload + 4)].up, &s->up_times,
					payload);
				s->reached_up++;
			} else if (!s->failure[0]) {
				snprintf(s->failure, sizeof(s->failure),
					"the peer got something else");
			}
		}
	} while (n == BATCH);
}
