// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/dtls_hello.h"

#include <assert.h>
#include <string.h>

#include "common/base/bytes.h"

#define VERSION_MAJOR        0xfe
#define VERSION_1_0          0xfeff // of every HelloVerifyRequest (section 4.2.1)
#define CLIENT_HELLO         1
#define HELLO_VERIFY_REQUEST 3
#define SESSION_ID_MOST      32

static_assert(DTLS_HELLO_VERIFY_BYTES <= DTLS_HELLO_LEAST_BYTES);

bool dtls_is_record(const uint8_t *bytes, size_t n)
{
	return n >= DTLS_RECORD_BYTES && bytes[0] >= DTLS_CHANGE_CIPHER_SPEC && bytes[0] < 64 &&
	       bytes[1] == VERSION_MAJOR && tp_rd16(bytes + 11) <= n - DTLS_RECORD_BYTES;
}

static uint32_t rd24(const uint8_t *at)
{
	return (uint32_t)at[0] << 16 | tp_rd16(at + 1);
}

// A vector with `length_bytes` bytes of length before it. Returns what follows, NULL: it does not
// end before `end`.
static const uint8_t *vector(const uint8_t *at, const uint8_t *end, size_t length_bytes,
	const uint8_t **content, size_t *length)
{
	if ((size_t)(end - at) < length_bytes)
		return NULL;
	*length = length_bytes == 1 ? at[0] : tp_rd16(at);
	*content = at + length_bytes;
	return (size_t)(end - *content) < *length ? NULL : *content + *length;
}

// client_version, random, session_id, cookie, cipher_suites, compression_methods, extensions.
static bool read_body(const uint8_t *at, const uint8_t *end, struct dtls_hello *out)
{
	const uint8_t *ignored;
	size_t n;

	if (end - at < 2 + DTLS_RANDOM_BYTES || at[0] != VERSION_MAJOR)
		return false;
	out->random = at + 2;
	at = vector(at + 2 + DTLS_RANDOM_BYTES, end, 1, &ignored, &n);
	if (!at || n > SESSION_ID_MOST)
		return false;
	at = vector(at, end, 1, &out->cookie, &n);
	if (!at)
		return false;
	out->cookie_bytes = (uint8_t)n;
	at = vector(at, end, 2, &ignored, &n);
	if (!at || n < 2)
		return false;
	at = vector(at, end, 1, &ignored, &n);
	if (!at || n < 1)
		return false;
	return at == end || vector(at, end, 2, &ignored, &n) == end;
}

enum dtls_hello_result dtls_hello_read(const uint8_t *bytes, size_t n, struct dtls_hello *out)
{
	const uint8_t *handshake = bytes + DTLS_RECORD_BYTES;

	if (!dtls_is_record(bytes, n) || bytes[0] != DTLS_HANDSHAKE || tp_rd16(bytes + 3) != 0)
		return DTLS_NO_HELLO;
	size_t length = tp_rd16(bytes + 11);
	if (length < DTLS_HANDSHAKE_BYTES)
		return DTLS_BAD_HELLO;
	if (handshake[0] != CLIENT_HELLO)
		return DTLS_NO_HELLO;
	// One fragment, and nothing else in the record.
	if (rd24(handshake + 6) != 0 || rd24(handshake + 9) != rd24(handshake + 1) ||
		rd24(handshake + 1) != length - DTLS_HANDSHAKE_BYTES)
		return DTLS_BAD_HELLO;
	memcpy(out->record, bytes + 3, sizeof(out->record));
	return read_body(handshake + DTLS_HANDSHAKE_BYTES, handshake + length, out)
		       ? DTLS_HELLO
		       : DTLS_BAD_HELLO;
}

static uint8_t *wr24(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 16);
	tp_wr16(at + 1, (uint16_t)value);
	return at + 3;
}

void dtls_hello_verify_write(const uint8_t record[8], const uint8_t cookie[DTLS_COOKIE_BYTES],
	uint8_t out[DTLS_HELLO_VERIFY_BYTES])
{
	const uint32_t body = DTLS_HELLO_VERIFY_BYTES - DTLS_RECORD_BYTES - DTLS_HANDSHAKE_BYTES;
	uint8_t *at = out;

	*at++ = DTLS_HANDSHAKE;
	tp_wr16(at, VERSION_1_0);
	memcpy(at + 2, record, 8);
	tp_wr16(at + 10, DTLS_HANDSHAKE_BYTES + body);
	at += 12;
	*at++ = HELLO_VERIFY_REQUEST;
	at = wr24(at, body);
	tp_wr16(at, 0); // message_seq: always the first one of the server
	at = wr24(at + 2, 0);
	at = wr24(at, body);
	tp_wr16(at, VERSION_1_0);
	at[2] = DTLS_COOKIE_BYTES;
	memcpy(at + 3, cookie, DTLS_COOKIE_BYTES);
}
