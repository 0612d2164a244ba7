// SPDX-License-Identifier: BSD-3-Clause
// The ClientHello that begins DTLS (RFC 6347 section 4.2.1), as far as whoever keeps no state needs
// it: is it one, does it bring the cookie that it was sent, and the HelloVerifyRequest that sends
// it. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +---------------+-------------------------------+---------------+
// |  type         |  version 0xfeff, 0xfefd       | epoch ...     |
// +---------------+-------------------------------+---------------+
// | ... epoch     | sequence number, 48 bits ...                  |
// +---------------+-------------------------------+---------------+
// | ... sequence number                           | length ...    |
// +---------------+-----------------------------------------------+
// | ... length    | of a handshake: type, length 24, message_seq 16,
// +---------------+ fragment_offset 24, fragment_length 24, body
#define DTLS_RECORD_BYTES    13
#define DTLS_HANDSHAKE_BYTES 12
#define DTLS_RANDOM_BYTES    32

enum { // content types
	DTLS_CHANGE_CIPHER_SPEC = 20,
	DTLS_ALERT = 21,
	DTLS_HANDSHAKE = 22,
	DTLS_APPLICATION_DATA = 23,
};

// Whether a datagram begins with a record of DTLS 1.0 or 1.2: header and length.
bool dtls_is_record(const uint8_t *bytes, size_t n);

enum dtls_hello_result {
	DTLS_NO_HELLO,  // something else, or of a session: encrypted
	DTLS_HELLO,     // a ClientHello; `out` says what is in it
	DTLS_BAD_HELLO, // one that is malformed, or that is cut into fragments
};

struct dtls_hello {
	uint8_t record[8]; // epoch and sequence number, which the answer repeats
	const uint8_t *random;
	const uint8_t *cookie;
	uint8_t cookie_bytes;
};

// Looks at the first record of a datagram. `out` points into it.
enum dtls_hello_result dtls_hello_read(const uint8_t *bytes, size_t n, struct dtls_hello *out);

// The least ClientHello: 66 bytes. So the answer is never longer than what it answers.
#define DTLS_HELLO_LEAST_BYTES                                                                     \
	(DTLS_RECORD_BYTES + DTLS_HANDSHAKE_BYTES + 2 + DTLS_RANDOM_BYTES + 1 + 1 + 2 + 2 + 1 + 1)
#define DTLS_COOKIE_BYTES 8
#define DTLS_HELLO_VERIFY_BYTES                                                                    \
	(DTLS_RECORD_BYTES + DTLS_HANDSHAKE_BYTES + 2 + 1 + DTLS_COOKIE_BYTES)

// The HelloVerifyRequest for a ClientHello with these 8 bytes of `record`.
void dtls_hello_verify_write(const uint8_t record[8], const uint8_t cookie[DTLS_COOKIE_BYTES],
	uint8_t out[DTLS_HELLO_VERIFY_BYTES]);
