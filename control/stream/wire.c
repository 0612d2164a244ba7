// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/wire.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

static bool comes_back(ssize_t n)
{
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static int wire_read(BIO *bio, char *out, int size)
{
	struct stream_wire *wire = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (wire->drained) {
		BIO_set_retry_read(bio);
		return -1;
	}
	n = recv(wire->fd, out, (size_t)size, 0);
	if (comes_back(n))
		BIO_set_retry_read(bio);
	wire->drained = n > 0 ? n < size : comes_back(n);
	wire->ended = n == 0;
	return (int)n;
}

static int wire_write(BIO *bio, const char *bytes, int length)
{
	struct stream_wire *wire = BIO_get_data(bio);
	bool ticket = wire->ssl && SSL_get_state(wire->ssl) == TLS_ST_SW_SESSION_TICKET;
	// What follows is the answer to the client's request; the kernel waits 200 ms for it.
	ssize_t n = send(wire->fd, bytes, (size_t)length, MSG_NOSIGNAL | (ticket ? MSG_MORE : 0));

	BIO_clear_retry_flags(bio);
	if (comes_back(n))
		BIO_set_retry_write(bio);
	return (int)n;
}

static long wire_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const struct stream_wire *wire = BIO_get_data(bio);

	return command == BIO_CTRL_EOF ? wire->ended : command == BIO_CTRL_FLUSH; // keeps nothing
}

BIO *stream_wire_bio(struct stream_wire *wire)
{
	static BIO_METHOD *method;
	BIO *bio;

	if (!method) {
		BIO_METHOD *made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");

		if (!made || BIO_meth_set_read(made, wire_read) != 1 ||
			BIO_meth_set_write(made, wire_write) != 1 ||
			BIO_meth_set_ctrl(made, wire_ctrl) != 1) {
			BIO_meth_free(made);
			return NULL;
		}
		method = made;
	}
	bio = BIO_new(method);
	if (bio) {
		BIO_set_data(bio, wire);
		BIO_set_init(bio, 1);
	}
	return bio;
}
