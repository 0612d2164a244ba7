// SPDX-License-Identifier: BSD-3-Clause
// Between OpenSSL and the workers' rings. A datagram that finds no room is lost, as datagrams are:
// OpenSSL is never asked to wait.
#include <openssl/bio.h>
#include <string.h>

#include "control/stream/dtls.h"
#include "control/stream/stream.h"

static int bio_read(BIO *bio, char *out, int size)
{
	struct stream_dtls *d = BIO_get_data(bio);
	size_t n = d->length < (size_t)size ? d->length : (size_t)size;

	BIO_clear_retry_flags(bio);
	if (!d->datagram) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, d->datagram, n);
	if (!d->peeks)
		d->datagram = NULL;
	return (int)n;
}

static int bio_write(BIO *bio, const char *bytes, int length)
{
	struct stream_dtls *d = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	stream_media_datagram(d->stream, d, (const uint8_t *)bytes, (size_t)length);
	return length;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	struct stream_dtls *d = BIO_get_data(bio);

	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_SET_PEEK_MODE:
		d->peeks = number != 0;
		return 1;
	default:
		return 0;
	}
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO *stream_dtls_bio(struct stream_dtls *d)
{
	static BIO_METHOD *method;
	BIO *bio;

	if (!method) {
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "worker");
		if (!method)
			return NULL;
		BIO_meth_set_read(method, bio_read);
		BIO_meth_set_write(method, bio_write);
		BIO_meth_set_ctrl(method, bio_ctrl);
		BIO_meth_set_create(method, bio_create);
	}
	bio = BIO_new(method);
	if (bio)
		BIO_set_data(bio, d);
	return bio;
}
