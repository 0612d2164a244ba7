// SPDX-License-Identifier: BSD-3-Clause
// A client's socket as OpenSSL reads and writes it. It remembers that a read took all there was, so
// that nobody asks the kernel once more only to hear that there is nothing; and a ticket of TLS 1.3
// leaves with the first answer, since its packet would cost as much as that of the answer.
#pragma once

#include <openssl/types.h>
#include <stdbool.h>

struct stream_wire {
	int fd;
	const SSL *ssl; // of the session; NULL: nothing waits for what follows
	bool drained; // nothing to read before epoll says so
	bool ended;   // the client sends nothing any more
};

// A BIO over `wire`, which has to outlive it; the descriptor stays the caller's. NULL without
// memory.
BIO *stream_wire_bio(struct stream_wire *wire);
