// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>
#include <sys/socket.h>

#include "bench/load/load.h"
#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"

#define DIRECTION_UP   1
#define DIRECTION_DOWN 2
#define PAYLOAD_MAX    1400
#define BATCH          64

// What is being built or received; one process has one load, so the batch is its own.
static struct {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	struct sockaddr_storage names[BATCH];
	uint8_t data[BATCH][CHANDATA_HEADER_BYTES + PAYLOAD_MAX + 64];
	unsigned int queued;
} out, in;

// 4 magic, 4 direction, 8 client, 8 sequence number, 8 time, then a pattern of the number.
static void number_write(
	uint8_t *p, uint32_t bytes, uint32_t direction, uint32_t client, uint64_t number)
{
	tp_wr32(p, LOAD_NUMBER_MAGIC);
	tp_wr32(p + 4, direction);
	tp_wr64(p + 8, client);
	tp_wr64(p + 16, number);
	tp_wr64(p + 24, tp_now_ns());
	memset(p + LOAD_NUMBER_BYTES, (int)(number * 31 + client), bytes - LOAD_NUMBER_BYTES);
}

static bool number_read(const struct load *l, const uint8_t *p, size_t bytes, uint32_t direction,
	uint32_t *client, uint64_t *number, uint64_t *sent_ns)
{
	if (bytes != l->options.payload_bytes || tp_rd32(p) != LOAD_NUMBER_MAGIC ||
		tp_rd32(p + 4) != direction || tp_rd64(p + 8) >= l->options.clients)
		return false;
	*client = (uint32_t)tp_rd64(p + 8);
	*number = tp_rd64(p + 16);
	*sent_ns = tp_rd64(p + 24);
	uint8_t pattern = (uint8_t)(*number * 31 + *client);
	for (size_t i = LOAD_NUMBER_BYTES; i < bytes; i++)
		if (p[i] != pattern)
			return false;
	return true;
}

static void flow_count(struct load_flow *f, struct load_histogram *latency, uint64_t number,
	uint64_t sent_ns, uint64_t now_ns)
{
	bool late = number < f->next;

	if (number >= f->next) {
		// Numbers skipped so far leave the window's places to newer ones.
		uint64_t from = number - f->next >= 1024 ? number - 1023 : f->next;
		for (uint64_t n = from; n <= number; n++)
			f->seen[n % 1024 / 64] &= ~(UINT64_C(1) << n % 64);
		f->next = number + 1;
	} else if (number + 1024 < f->next || f->seen[number % 1024 / 64] >> number % 64 & 1) {
		f->duplicates++;
		return;
	}
	f->seen[number % 1024 / 64] |= UINT64_C(1) << number % 64;
	f->received++;
	f->reordered += late;
	load_histogram_add(latency, now_ns > sent_ns ? now_ns - sent_ns : 0);
	if (f->last_ns && now_ns - f->last_ns > f->longest_gap_ns)
		f->longest_gap_ns = now_ns - f->last_ns;
	f->last_ns = now_ns;
}

void load_write_up(const struct load *l, const struct load_client *c, uint8_t *data)
{
	uint32_t bytes = l->options.payload_bytes;

	chandata_write(data, c->channel, (uint16_t)bytes);
	number_write(data + CHANDATA_HEADER_BYTES, bytes, DIRECTION_UP, c->number, c->up.sent);
}

void load_write_down(const struct load *l, const struct load_client *c, uint8_t *data)
{
	number_write(data, l->options.payload_bytes, DIRECTION_DOWN, c->number, c->down.sent);
}

void load_send_up(struct load *l, struct load_client *c)
{
	uint8_t data[CHANDATA_HEADER_BYTES + PAYLOAD_MAX];
	uint32_t bytes = l->options.payload_bytes;

	if (l->media) {
		load_media_send_up(l, c);
		return;
	}
	load_write_up(l, c, data);
	if (send(c->sock, data, CHANDATA_HEADER_BYTES + bytes, 0) > 0)
		c->up.sent++;
}

void load_send_down(struct load *l, struct load_client *c)
{
	unsigned int i = out.queued;
	uint32_t bytes = l->options.payload_bytes;

	if (l->media) {
		load_media_send_down(l, c);
		return;
	}
	out.queued++;
	load_write_down(l, c, out.data[i]);
	out.vectors[i] = (struct iovec){.iov_base = out.data[i], .iov_len = bytes};
	out.messages[i].msg_hdr = (struct msghdr){
		.msg_name = &out.names[i],
		.msg_namelen = (socklen_t)tp_addr_to_sockaddr(&c->relayed, &out.names[i]),
		.msg_iov = &out.vectors[i],
		.msg_iovlen = 1,
	};
	c->down.sent++;
	if (out.queued == BATCH)
		load_send_flush(l);
}

void load_send_flush(struct load *l)
{
	unsigned int done = 0;

	if (l->media)
		load_media_flush(l);
	while (done < out.queued) {
		int n = sendmmsg(l->peer_sock, out.messages + done, out.queued - done, 0);
		if (n > 0) {
			done += (unsigned int)n;
			continue;
		}
		// What the kernel did not take was not sent: its number is counted, so it shows as
		// lost.
		done++;
		l->failures++;
	}
	out.queued = 0;
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

void load_take_down(
	struct load *l, struct load_client *c, const uint8_t *data, size_t len, uint64_t now_ns)
{
	bool echo = l->options.test == LOAD_ECHO; // what comes is what this client sent
	uint32_t direction = echo ? DIRECTION_UP : DIRECTION_DOWN, client;
	struct load_flow *flow = echo ? &c->up : &c->down;
	uint16_t channel, bytes;
	uint64_t number, sent_ns;

	if (chandata_read(data, len, CHANDATA_CHANNEL_MAX, &channel, &bytes) &&
		channel == c->channel &&
		number_read(l, data + CHANDATA_HEADER_BYTES, bytes, direction, &client, &number,
			&sent_ns) &&
		client == c->number)
		flow_count(flow, echo ? &l->up_ns : &l->down_ns, number, sent_ns, now_ns);
	else
		flow->damaged++;
}

void load_take_up(struct load *l, const uint8_t *data, size_t len, uint64_t now_ns)
{
	uint32_t client;
	uint64_t number, sent_ns;

	if (number_read(l, data, len, DIRECTION_UP, &client, &number, &sent_ns))
		flow_count(&l->clients[client].up, &l->up_ns, number, sent_ns, now_ns);
	else
		l->failures++;
}

void load_receive_client(struct load *l, struct load_client *c)
{
	int n = receive_batch(c->sock);
	uint64_t now_ns = tp_now_ns();

	for (int i = 0; i < n; i++) {
		const uint8_t *data = in.data[i];
		size_t len = in.messages[i].msg_len;

		if (len > 0 && data[0] < 0x40)
			load_session_input(l, c, data, len, now_ns);
		else
			load_take_down(l, c, data, len, now_ns);
	}
}

void load_receive_peer(struct load *l)
{
	int n;

	do {
		n = receive_batch(l->peer_sock);
		uint64_t now_ns = tp_now_ns();
		for (int i = 0; i < n; i++)
			load_take_up(l, in.data[i], in.messages[i].msg_len, now_ns);
	} while (n == BATCH);
}
