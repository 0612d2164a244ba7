// SPDX-License-Identifier: BSD-3-Clause
// Which stream process has the session of a five-tuple, and which one comes next.
#pragma once

#include "dataplane/path/dtls.h"
#include "dataplane/path/streams.h"

struct dp_dtls_tuple {
	struct tp_addr client, listener;
};

uint64_t dp_dtls_hash(const struct dp_dtls *d, const struct dp_dtls_tuple *tuple);

// The stream that has the session of this hash, if it is known and attached.
struct dp_stream_link *dp_dtls_known(const struct dp_worker *w, uint64_t hash);
// From now on it is this stream's.
void dp_dtls_learn(struct dp_worker *w, uint64_t hash, uint32_t stream);
// It is not this stream's. Whether it was said to be.
bool dp_dtls_forget(struct dp_worker *w, uint64_t hash, uint32_t stream);

// Where a new session begins: of the streams that take DTLS and do not drain, always the same one
// for a hash while they are the same. NULL: there is none.
struct dp_stream_link *dp_dtls_choose(const struct dp_worker *w, uint64_t hash);

// Of the streams that take DTLS the one that comes after `link`, NULL: the first. Draining ones
// come first, then as they came. NULL: no more.
struct dp_stream_link *dp_dtls_next(const struct dp_worker *w, const struct dp_stream_link *link);
