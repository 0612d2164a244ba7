// SPDX-License-Identifier: BSD-3-Clause
// Clients over DTLS: no socket of their own, but datagrams that workers hand over and send. The
// session of a client is a connection like any other, found by its five-tuple. A new one on a
// five-tuple that has one takes its place only when its handshake is complete (RFC 6347
// section 4.2.8).
#pragma once

#include <openssl/types.h>

#include "common/abi/stream.h"
#include "common/base/hash.h"
#include "common/wire/dtls_hello.h"
#include "control/stream/list.h"

struct stream;
struct stream_connection;
struct stream_slots_message;

// Of one connection. What it needs of the datagram that is being read ends with that.
struct stream_dtls {
	struct stream *stream;
	struct stream_connection *connection;
	struct stream_dtls *next; // in its bucket
	struct tp_reply_path path;
	uint16_t worker;                   // that it came to last
	uint16_t most;                     // bytes of a message to it
	bool peeks;                        // what is read stays
	uint8_t random[DTLS_RANDOM_BYTES]; // of its hello
	const uint8_t *datagram;           // NULL: read already
	size_t length;
	struct stream_link shaking; // in stream.shaking
	uint64_t looked_ns;
};

// By five-tuple.
struct stream_dtls_table {
	struct stream_dtls **bucket;
	uint32_t mask;
	struct tp_siphash_key key; // so that nobody can aim at one chain
};

// Room for `connections` without long chains. 0 or -errno.
int stream_dtls_init(struct stream_dtls_table *t, uint32_t connections);
void stream_dtls_fini(struct stream_dtls_table *t);

// A datagram that a worker handed over.
void stream_dtls_take(struct stream *s, uint16_t worker, const struct stream_slots_message *d);

// One message to a client, now or never: what does not fit is dropped.
void stream_dtls_send(
	struct stream *s, struct stream_connection *c, const void *bytes, size_t length);

// Repeats flights of handshakes whose time has come (section 4.2.4). Returns when to come again,
// UINT64_MAX: never.
uint64_t stream_dtls_repeat(struct stream *s);

// Of a connection that ends, after its last word.
void stream_dtls_end(struct stream *s, struct stream_connection *c);

// ---- dtls_bio.c: what OpenSSL reads and writes are datagrams. NULL without memory.
BIO *stream_dtls_bio(struct stream_dtls *d);
