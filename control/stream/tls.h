// SPDX-License-Identifier: BSD-3-Clause
// Certificates, and what a TLS session may be. A session is an SSL of OpenSSL over the client's
// socket.
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "config/conf.h"
#include "control/stream/wire.h"

struct stream_tls;

// Reads all certificates and keys of `conf`, for DTLS when `datagrams`. Every problem is printed to
// `errors` as conf_load does: files that are no PEM, keys of other certificates, certificates that
// are not valid at `now_s` (seconds since 1970). 0, -EINVAL after at least one problem, -ENOMEM.
int stream_tls_create(const struct conf *conf, uint64_t now_s, bool datagrams, FILE *errors,
	struct stream_tls **out);
// Sessions that were made of it live on.
void stream_tls_destroy(struct stream_tls *tls);

// Puts `fresh`, or NULL, in the place of what is there, which is destroyed. A handshake under way goes on by
// its own context but finds the certificate of a name in `*place`, which outlives all sessions.
void stream_tls_replace(struct stream_tls **place, struct stream_tls *fresh);

// A session over an accepted socket; `wire` has to outlive it. NULL without memory.
SSL *stream_tls_session(struct stream_tls *tls, struct stream_wire *wire);
// A DTLS session over `bio`, which it takes. NULL without memory. The client's cookie was verified.
SSL *stream_tls_datagram_session(struct stream_tls *tls, BIO *bio);
// To be called before any call of OpenSSL whose result is asked for: forgets errors of before.
void stream_tls_forget(void);

// What became of a call of OpenSSL that returned `rc`.
enum stream_tls_result {
	STREAM_TLS_DONE,
	STREAM_TLS_WANT_READ,
	STREAM_TLS_WANT_WRITE,
	STREAM_TLS_END,    // the client ended the session
	STREAM_TLS_FAILED, // stream_tls_why() says what
};
enum stream_tls_result stream_tls_result(SSL *ssl, int rc);

// The oldest error of this thread as text; forgets them all.
const char *stream_tls_why(void);
