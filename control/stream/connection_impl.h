// SPDX-License-Identifier: BSD-3-Clause
// What the parts of connection.c share.
#pragma once

#include "control/stream/connection.h"
#include "control/stream/stream.h"

// ---- connection.c

// Begins a deadline, in the place of the one before.
void stream_connection_time(struct stream *s, struct stream_connection *c, enum stream_timer timer);
// Has epoll watch what it waits for now.
void stream_connection_watch(struct stream *s, struct stream_connection *c);
// Ends it, counted, and said at debug.
void stream_connection_end_for(struct stream *s, struct stream_connection *c,
	enum stream_counter counter, const char *why);

// ---- connection_proxy.c

// Takes what came of the proxy's header.
void stream_connection_proxy(struct stream *s, struct stream_connection *c);

// ---- connection_open.c

// From here on control knows of it.
void stream_connection_opened(struct stream *s, struct stream_connection *c, uint8_t transport);
// Looks at the first byte.
void stream_connection_sniff(struct stream *s, struct stream_connection *c);
void stream_connection_shake(struct stream *s, struct stream_connection *c);
// Ends it by what OpenSSL says.
void stream_connection_tls_failed(struct stream *s, struct stream_connection *c);

// ---- connection_read.c

// One read into stream.input: its bytes, 0: none now, or why there will be none. The connection is
// not ended.
enum {
	STREAM_TOOK_END = -1,
	STREAM_TOOK_FAILED = -2,
};
int stream_connection_take(struct stream *s, struct stream_connection *c);
// Throws away what still comes; ends it with the client's end.
void stream_connection_linger(struct stream *s, struct stream_connection *c);

// ---- connection_write.c

// One record of TLS. False: the connection keeps it until there is room for it, or has ended.
bool stream_connection_write_record(
	struct stream *s, struct stream_connection *c, const uint8_t *bytes, size_t length);
