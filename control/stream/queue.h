// SPDX-License-Identifier: BSD-3-Clause
// What waits to be sent to one client: whole messages in their order. Media has a limit of bytes
// and of age, beyond which the oldest goes first; answers of control are never dropped for it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct stream_queued {
	struct stream_queued *next;
	uint64_t since_ns;
	uint32_t length; // with padding
	bool media;
	uint8_t bytes[];
};

// Zeroed is empty.
struct stream_queue {
	struct stream_queued *head, *tail;
	uint32_t sent; // bytes of `head` that are on their way already
	uint32_t media_bytes, answer_bytes;
	uint64_t dropped_packets, dropped_bytes; // media, since the beginning
};

struct stream_queue_limits {
	uint32_t bytes;
	uint64_t age_ns;
};

// Copies one message behind all others, ChannelData padded with zeros. 0 or -ENOMEM.
int stream_queue_add(
	struct stream_queue *q, const void *message, size_t length, bool media, uint64_t now_ns);

// Drops the oldest media until the rest is within the limits: never a message that is half sent,
// nor the newest for its length alone.
void stream_queue_trim(
	struct stream_queue *q, const struct stream_queue_limits *limits, uint64_t now_ns);

// Takes up to `size` bytes off the front, copied to `out`. Returns how many.
size_t stream_queue_gather(struct stream_queue *q, void *out, size_t size);

// Names up to `n` pieces from the front, without taking them. Returns how many.
int stream_queue_pieces(const struct stream_queue *q, struct iovec *out, int n);
// Takes that many bytes off the front.
void stream_queue_sent(struct stream_queue *q, size_t bytes);

static inline bool stream_queue_empty(const struct stream_queue *q)
{
	return !q->head;
}

void stream_queue_free(struct stream_queue *q);
