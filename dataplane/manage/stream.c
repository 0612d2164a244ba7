// SPDX-License-Identifier: BSD-3-Clause
// Attachment of stream processes (common/abi/stream.h): fresh rings each time, with every worker,
// in one sealed memfd described by TP_MSG_STREAM_ATTACHED. Up to TP_STREAM_PLACES side by side,
// whether control is there or not.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>

#include "common/base/log.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/path/worker.h"

#define RING_ALIGNMENT 4096

// Descriptors of the message: the rings, what wakes the stream, what wakes each worker.
enum { STREAM_FD_RINGS, STREAM_FD_WAKE, STREAM_FD_WORKERS };

static void stream_free(struct manage_stream *s)
{
	if (s->event_fd >= 0)
		close(s->event_fd);
	tp_shm_close(&s->rings);
	free(s);
}

static void place_ring(struct tp_stream_attached *out, enum tp_ring_kind kind, uint16_t worker,
	uint32_t slots, uint16_t event_fd)
{
	uint64_t bytes = tp_ring_bytes(slots, TP_PACKET_SLOT_BYTES);

	out->ring[out->rings++] = (struct tp_ring_place){.kind = (uint16_t)kind,
		.worker = worker,
		.slots = slots,
		.slot_bytes = TP_PACKET_SLOT_BYTES,
		.event_fd = event_fd,
		.offset = out->rings_bytes};
	out->rings_bytes += (bytes + RING_ALIGNMENT - 1) & ~(uint64_t)(RING_ALIGNMENT - 1);
}

static void describe(const struct dp_manage *m, struct tp_stream_attached *out)
{
	*out = (struct tp_stream_attached){.header = {.magic = TP_ABI_MAGIC,
						   .major = TP_ABI_MAJOR,
						   .minor = TP_ABI_MINOR,
						   .type = TP_MSG_STREAM_ATTACHED,
						   .length_bytes = sizeof(*out)},
		.pid = (uint32_t)getpid(),
		.workers = m->dp->n_workers,
		.instance = m->dp->instance};
	for (uint16_t w = 0; w < out->workers; w++) {
		place_ring(out, TP_RING_STREAM_UP, w, TP_STREAM_UP_SLOTS, STREAM_FD_WORKERS + w);
		place_ring(out, TP_RING_STREAM_DOWN, w, TP_STREAM_DOWN_SLOTS, STREAM_FD_WAKE);
	}
}

static int init_rings(const struct dp_manage *m, struct manage_stream *s,
	const struct tp_stream_attached *message)
{
	int rc = 0;

	for (uint16_t i = 0; i < message->rings && rc == 0; i++) {
		const struct tp_ring_place *place = &message->ring[i];
		struct dp_stream_link *link = &s->link[place->worker];
		void *memory = (char *)s->rings.base + place->offset;
		size_t bytes = s->rings.bytes - place->offset;
		// The worker sleeps on its own eventfd, whoever wakes it.
		if (place->kind == TP_RING_STREAM_UP)
			rc = tp_ring_consumer_init(&link->up, memory, bytes, place->slots,
				place->slot_bytes,
				dp_worker_event_fd(m->dp->workers[place->worker]));
		else
			rc = tp_ring_producer_init(&link->down, memory, bytes, place->slots,
				place->slot_bytes, s->event_fd);
		link->stream = s->stream;
		link->attached = m->streams_attached;
		atomic_store_explicit(&link->flags, s->flags, memory_order_relaxed);
	}
	return rc;
}

static int stream_create(const struct dp_manage *m, const struct tp_stream_hello *hello,
	const struct tp_stream_attached *message, struct manage_stream **made)
{
	struct manage_stream *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->stream = hello->stream;
	s->flags = hello->flags;
	s->rings.fd = -1;
	s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = s->event_fd < 0
		     ? -errno
		     : tp_shm_create("turnpike-rings-stream", message->rings_bytes, &s->rings);
	if (rc == 0)
		rc = init_rings(m, s, message);
	if (rc < 0) {
		stream_free(s);
		return rc;
	}
	*made = s;
	return 0;
}

static int send_attached(const struct dp_manage *m, const struct manage_client *client,
	const struct manage_stream *s, const struct tp_stream_attached *message)
{
	int fds[STREAM_FD_WORKERS + TP_MAX_WORKERS];

	fds[STREAM_FD_RINGS] = s->rings.fd;
	fds[STREAM_FD_WAKE] = s->event_fd;
	for (uint16_t w = 0; w < message->workers; w++)
		fds[STREAM_FD_WORKERS + w] = dp_worker_event_fd(m->dp->workers[w]);
	return tp_message_send(client->fd, message, sizeof(*message), fds,
		(size_t)STREAM_FD_WORKERS + message->workers);
}

static void publish(const struct dp_manage *m, struct manage_stream *s, bool there)
{
	for (uint16_t w = 0; w < m->dp->n_workers; w++)
		dp_worker_set_stream(
			m->dp->workers[w], TP_STREAM_PLACE(s->stream), there ? &s->link[w] : NULL);
}

int dp_manage_stream_attach(
	struct dp_manage *m, struct manage_client *client, const struct tp_stream_hello *hello)
{
	struct tp_stream_attached message;
	struct manage_stream *s;

	m->streams_attached++;
	describe(m, &message);
	int rc = stream_create(m, hello, &message, &s);
	if (rc < 0)
		return rc;
	rc = send_attached(m, client, s, &message);
	if (rc < 0) {
		stream_free(s);
		return rc;
	}
	publish(m, s, true);
	client->stream = s;
	tp_notice("stream %08x attached, pid %u", s->stream, client->pid);
	return 0;
}

void dp_manage_stream_detach(struct dp_manage *m, struct manage_client *client)
{
	struct manage_stream *s = client->stream;

	if (!s)
		return;
	publish(m, s, false);
	s->token = m->dp->qsbr ? rte_rcu_qsbr_start(m->dp->qsbr) : 0;
	s->next = m->retired_streams;
	m->retired_streams = s;
	client->stream = NULL;
	tp_notice("stream %08x detached, pid %u: what its clients are sent is dropped", s->stream,
		client->pid);
}

struct manage_client *dp_manage_stream_at(struct dp_manage *m, uint32_t stream)
{
	for (size_t i = 0; i < MANAGE_MAX_CLIENTS; i++) {
		const struct manage_stream *s = m->clients[i].stream;
		if (s && TP_STREAM_PLACE(s->stream) == TP_STREAM_PLACE(stream))
			return &m->clients[i];
	}
	return NULL;
}

bool dp_manage_stream_state(
	const struct dp_manage *m, struct manage_client *client, const void *bytes, size_t length)
{
	struct tp_stream_state message;

	if (!client->stream || length < sizeof(message))
		return false;
	memcpy(&message, bytes, sizeof(message));
	if (~client->stream->flags & message.flags & TP_STREAM_DRAINING)
		tp_notice("stream %08x, pid %u, takes no new clients", client->stream->stream,
			client->pid);
	client->stream->flags = message.flags;
	for (uint16_t w = 0; w < m->dp->n_workers; w++)
		atomic_store_explicit(
			&client->stream->link[w].flags, message.flags, memory_order_relaxed);
	return true;
}

void dp_manage_streams_reclaim(struct dp_manage *m, bool workers_stopped)
{
	struct manage_stream **link = &m->retired_streams;

	while (*link) {
		struct manage_stream *s = *link;
		if (!workers_stopped && m->dp->qsbr &&
			!rte_rcu_qsbr_check(m->dp->qsbr, s->token, false)) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		stream_free(s);
	}
}
