// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/stream/frame.h"

int stream_queue_add(
	struct stream_queue *q, const void *message, size_t length, bool media, uint64_t now_ns)
{
	uint32_t padding = stream_frame_padding((uint32_t)length);
	struct stream_queued *m = malloc(sizeof(*m) + length + padding);

	if (!m)
		return -ENOMEM;
	*m = (struct stream_queued){
		.since_ns = now_ns, .length = (uint32_t)length + padding, .media = media};
	memcpy(m->bytes, message, length);
	memset(m->bytes + length, 0, padding);
	if (q->tail)
		q->tail->next = m;
	else
		q->head = m;
	q->tail = m;
	*(media ? &q->media_bytes : &q->answer_bytes) += m->length;
	return 0;
}

static void unlink_after(struct stream_queue *q, struct stream_queued *previous)
{
	struct stream_queued *m = previous ? previous->next : q->head;

	if (previous)
		previous->next = m->next;
	else
		q->head = m->next;
	if (q->tail == m)
		q->tail = previous;
	*(m->media ? &q->media_bytes : &q->answer_bytes) -= m->length;
	free(m);
}

static bool too_much(const struct stream_queue *q, const struct stream_queued *m,
	const struct stream_queue_limits *limits, uint64_t now_ns)
{
	return (q->media_bytes > limits->bytes && m->next) || now_ns - m->since_ns > limits->age_ns;
}

void stream_queue_trim(
	struct stream_queue *q, const struct stream_queue_limits *limits, uint64_t now_ns)
{
	struct stream_queued *previous = q->sent > 0 ? q->head : NULL, *m;

	while ((m = previous ? previous->next : q->head)) {
		if (!m->media) {
			previous = m;
			continue;
		}
		if (!too_much(q, m, limits, now_ns))
			return;
		q->dropped_packets++;
		q->dropped_bytes += m->length;
		unlink_after(q, previous);
	}
}

size_t stream_queue_gather(struct stream_queue *q, void *out, size_t size)
{
	size_t done = 0;

	while (q->head && done < size) {
		size_t n = q->head->length - q->sent;

		if (n > size - done)
			n = size - done;
		memcpy((uint8_t *)out + done, q->head->bytes + q->sent, n);
		done += n;
		stream_queue_sent(q, n);
	}
	return done;
}

int stream_queue_pieces(const struct stream_queue *q, struct iovec *out, int n)
{
	uint32_t sent = q->sent;
	int i = 0;

	for (struct stream_queued *m = q->head; m && i < n; m = m->next) {
		out[i++] = (struct iovec){.iov_base = m->bytes + sent, .iov_len = m->length - sent};
		sent = 0;
	}
	return i;
}

void stream_queue_sent(struct stream_queue *q, size_t bytes)
{
	while (q->head && bytes >= q->head->length - q->sent) {
		bytes -= q->head->length - q->sent;
		q->sent = 0;
		unlink_after(q, NULL);
	}
	q->sent += (uint32_t)bytes;
}

void stream_queue_free(struct stream_queue *q)
{
	while (q->head)
		unlink_after(q, NULL);
	q->sent = 0;
}
