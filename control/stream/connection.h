// SPDX-License-Identifier: BSD-3-Clause
// One client: its socket, what came of a message, what waits to be sent. All functions are of the
// loop's thread. A connection that ended stays a valid, empty place until the end of the turn, and
// on until control was told of its end.
#pragma once

#include <openssl/types.h>

#include "common/abi/stream.h"
#include "control/stream/frame.h"
#include "control/stream/list.h"
#include "control/stream/pending.h"
#include "control/stream/queue.h"
#include "control/stream/wire.h"

struct stream;

enum stream_state {
	STREAM_PROXIES,  // the header of a proxy has to come
	STREAM_SNIFFS,   // nothing came yet
	STREAM_SHAKES,   // handshake of TLS or DTLS
	STREAM_IS_OPEN,  // control knows of it, or will
	STREAM_IS_BOUND, // to a peer: its bytes are no messages any more (relay.h)
	STREAM_FINISHES, // closed when all is sent
	STREAM_LINGERS,  // all is sent; what still comes is not read
	STREAM_IS_GONE,
};

struct stream_connection {
	uint32_t number;
	int fd;
	SSL *ssl;                 // NULL: plain TCP
	struct stream_wire wire;  // of `ssl` over TCP
	struct stream_dtls *dtls; // NULL: of TCP; else `fd` is -1
	struct tp_addr client;
	struct tp_addr proxy; // that it came by; family none: by none
	uint8_t listener;
	uint8_t state;     // enum stream_state
	uint8_t transport; // enum tp_stream_transport, from open on
	bool heard;        // a first message was complete
	bool told;         // control knows it
	bool opened_due, closed_due, counters_due;
	bool blocked;    // the socket takes no more
	bool binds;      // its ConnectionBind is not answered: what follows is not read before
	bool unwatched;  // epoll does not have it
	uint32_t events; // that epoll watches

	struct stream_assembly in;
	uint8_t *stash; // input behind a message that had to wait; first, a proxy's header
	uint32_t stash_length;
	struct stream_queue out;
	uint8_t *record; // of TLS, half sent: OpenSSL wants to see the same again
	uint32_t record_length;
	struct stream_pending requests; // that control did not take yet
	struct stream_pending asked;    // that it took and did not answer yet, the newest ones
	struct stream_relayed *relayed; // of its TCP allocation, or NULL
	struct stream_relay *relay;     // that it is bound to

	uint64_t since_ns;        // of the deadline that it is under
	struct stream_link timer; // in one of stream.timers
	struct stream_link dirty, again, waiting, talk, gone;
};

// A new client. Takes the descriptor.
void stream_connection_accept(
	struct stream *s, int fd, uint8_t listener, const struct tp_addr *client);
// A place with a number, of a source that was counted in. Takes the descriptor, -1 for none; NULL
// without memory: then both are given back.
struct stream_connection *stream_connection_new(
	struct stream *s, int fd, uint8_t listener, const struct tp_addr *client);
// What epoll said of it.
void stream_connection_event(struct stream *s, struct stream_connection *c, uint32_t events);
// Goes on reading one that had to wait, or that had more than its share.
void stream_connection_read(struct stream *s, struct stream_connection *c);

// Queues one message; it leaves at the end of the turn.
void stream_connection_send(struct stream *s, struct stream_connection *c, const void *bytes,
	size_t length, bool media);
// Sends what is queued, as much as the socket takes.
void stream_connection_flush(struct stream *s, struct stream_connection *c);

// Closes it once all that is queued is sent.
void stream_connection_finish(struct stream *s, struct stream_connection *c);
// Closes it now.
void stream_connection_end(struct stream *s, struct stream_connection *c);

// Ends those whose time is up. Returns when to look again, UINT64_MAX: never.
uint64_t stream_connections_expire(struct stream *s);
