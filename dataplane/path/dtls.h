// SPDX-License-Identifier: BSD-3-Clause
// DTLS of clients, as far as a worker has to do with it: a ClientHello without a cookie is answered
// here without any state (RFC 6347 section 4.2.1), so that a flood of them reaches no stream
// process; whose session a five-tuple has is remembered, so that its datagrams go straight there
// and are no stranger's. The rest is the stream process's.
#pragma once

#include "common/abi/stream.h"
#include "common/base/hash.h"
#include "dataplane/path/state.h"

#define DP_DTLS_WAYS 8

// What is forgotten for want of room, or with the whole dataplane, is found again: a datagram of a
// five-tuple that is not known goes from one stream to the next, until one answers it.
struct dp_dtls_entry {
	uint32_t tag;    // of the five-tuple
	uint32_t stream; // 0: free
};

struct dp_dtls_set {
	alignas(RTE_CACHE_LINE_SIZE) struct dp_dtls_entry way[DP_DTLS_WAYS];
};
static_assert(sizeof(struct dp_dtls_set) == RTE_CACHE_LINE_SIZE);

struct dp_dtls {
	struct tp_siphash_key cookie_key; // of all workers: a client may come to another one
	struct tp_siphash_key key;        // of the table, so that nobody can aim at a set
	uint32_t mask;
	struct dp_dtls_set set[];
};

// w->dtls; none when no listener serves DTLS. 0 or -errno. Workers are made in their order.
int dp_dtls_create(struct dp_worker *w);
void dp_dtls_destroy(struct dp_worker *w);

// What a stream wrote into a slot of its ring that is no message: `head` is a copy, the payload has
// as many bytes as it says. A datagram for a client is appended to the batch as FORWARD; what is
// not this stream's goes to the next one.
void dp_dtls_up(struct dp_worker *w, struct dp_batch *b, struct dp_stream_link *from,
	const struct tp_stream_slot *head, const uint8_t *payload);
