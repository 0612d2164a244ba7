// SPDX-License-Identifier: BSD-3-Clause
// A ClientHello as the least client sends it.
#pragma once

#include "common/base/bytes.h"
#include "common/wire/dtls_hello.h"

#define HELLO_EXTENSIONS 6
#define HELLO_MOST       (DTLS_HELLO_LEAST_BYTES + 255 + HELLO_EXTENSIONS)

// Returns its length.
static inline size_t hello_write(
	uint8_t *out, uint64_t sequence, const uint8_t *cookie, uint8_t cookie_bytes)
{
	const size_t head = DTLS_RECORD_BYTES + DTLS_HANDSHAKE_BYTES;
	uint8_t *at = out + head;

	memset(out, 0, head);
	tp_wr16(at, 0xfefd);
	memset(at + 2, 0xaa, DTLS_RANDOM_BYTES);
	at += 2 + DTLS_RANDOM_BYTES;
	*at++ = 0; // session_id
	*at++ = cookie_bytes;
	if (cookie_bytes > 0)
		memcpy(at, cookie, cookie_bytes);
	at += cookie_bytes;
	memcpy(at, "\0\2\xc0\x2b\1\0", 6); // one cipher suite, no compression
	memcpy(at + 6, "\0\4\xff\1\0\0", HELLO_EXTENSIONS);
	at += 6 + HELLO_EXTENSIONS;
	uint16_t body = (uint16_t)(at - out - (ptrdiff_t)head);
	out[0] = DTLS_HANDSHAKE;
	tp_wr16(out + 1, 0xfeff);
	tp_wr16(out + 5, (uint16_t)(sequence >> 32));
	tp_wr32(out + 7, (uint32_t)sequence);
	tp_wr16(out + 11, DTLS_HANDSHAKE_BYTES + body);
	out[13] = 1;
	tp_wr16(out + 15, body);
	tp_wr16(out + 23, body);
	return (size_t)(at - out);
}
