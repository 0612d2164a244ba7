// SPDX-License-Identifier: BSD-3-Clause
// The rings that a worker shares with stream processes (common/abi/stream.h): which there are.
#pragma once

#include "common/abi/stream.h"
#include "dataplane/path/state.h"

static_assert(TP_STREAM_PLACES == 64, "a bit of w->streams each");

// The rings of a stream, NULL while it is not attached. Good until the worker's next quiescent
// state.
static inline struct dp_stream_link *dp_stream_find(const struct dp_worker *w, uint32_t stream)
{
	struct dp_stream_link *link =
		atomic_load_explicit(&w->stream[TP_STREAM_PLACE(stream)], memory_order_acquire);

	return link != NULL && link->stream == stream ? link : NULL;
}

static inline uint32_t dp_stream_flags(const struct dp_stream_link *link)
{
	return atomic_load_explicit(&link->flags, memory_order_relaxed);
}

// Whether new DTLS clients may be sent to it.
static inline bool dp_stream_takes_new(const struct dp_stream_link *link)
{
	return (dp_stream_flags(link) & (TP_STREAM_DTLS | TP_STREAM_DRAINING)) == TP_STREAM_DTLS;
}

// A bit for each place that is taken.
static inline uint64_t dp_streams_attached(const struct dp_worker *w)
{
	return atomic_load_explicit(&w->streams, memory_order_acquire);
}

// The rings at the lowest of these places, NULL when they went a moment ago.
static inline struct dp_stream_link *dp_streams_lowest(const struct dp_worker *w, uint64_t places)
{
	return atomic_load_explicit(&w->stream[__builtin_ctzll(places)], memory_order_acquire);
}

// Whether a stream sent something.
static inline bool dp_streams_waiting(const struct dp_worker *w)
{
	for (uint64_t at = dp_streams_attached(w); at != 0; at &= at - 1) {
		struct dp_stream_link *link = dp_streams_lowest(w, at);
		if (link != NULL && tp_ring_front(&link->up) != NULL)
			return true;
	}
	return false;
}
