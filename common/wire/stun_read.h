// SPDX-License-Identifier: BSD-3-Clause
// Reads STUN messages (RFC 8489 sections 5, 6.3 and 14). Never copies, never allocates; every
// result points into the caller's bytes and is valid as long as they are.
#pragma once

#include "common/base/addr.h"
#include "common/wire/stun.h"

// RFC 8489 section 5:
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |0 0|     STUN Message Type     |         Message Length        |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                         Magic Cookie                          |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                     Transaction ID (96 bits)                  |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
struct stun_message {
	const uint8_t *bytes; // the whole message, header included
	uint16_t length;      // of the whole message: 20 + Message Length
	uint16_t type;
	uint16_t method;
	enum stun_class class;
	const uint8_t *transaction_id; // 12 bytes
};

struct stun_attr {
	uint16_t type;
	uint16_t length;      // of the value, without padding
	const uint8_t *value; // length bytes
	uint16_t offset;      // of the attribute's header in the message
};

enum stun_read_result {
	STUN_READ_OK = 0,
	STUN_READ_TOO_SHORT,  // fewer than 20 bytes, or fewer than Message Length says
	STUN_READ_NOT_STUN,   // two top bits or magic cookie wrong
	STUN_READ_BAD_LENGTH, // Message Length not a multiple of 4, or bytes after the message
	STUN_READ_BAD_ATTR,   // an attribute overruns the message
};

// Checks the header and that the attributes tile the message exactly. `data` may have any
// alignment.
enum stun_read_result stun_read(const void *data, size_t len, struct stun_message *out);

// Walks attributes in order: start with *at = STUN_HEADER_BYTES; false at the end. Only for a
// message that stun_read accepted.
bool stun_next_attr(const struct stun_message *m, uint16_t *at, struct stun_attr *out);

// Any attribute of this type, the first of duplicates (RFC 8489 section 14), found before
// MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256. After the former only the latter and FINGERPRINT
// are looked for, after the latter only FINGERPRINT (section 9.1 and 14.5 to 14.7).
bool stun_find(const struct stun_message *m, uint16_t type, struct stun_attr *out);

// Collects unknown comprehension-required types (0x0000-0x7FFF, not in stun_attr.def or not
// understood there), those after MESSAGE-INTEGRITY ignored. Returns how many were found; at most
// `max` are stored. Each type is stored and counted once. (RFC 8489 section 6.3.1; `types` may be
// NULL with 0.)
size_t stun_unknown_required(const struct stun_message *m, uint16_t *types, size_t max);

// Whether the value's length fits stun_attr.def; true for a type that is not there.
bool stun_attr_length_ok(const struct stun_attr *a);

// Decodes (XOR-)address values (RFC 8489 sections 14.1 and 14.2); unknown family or a length that
// does not fit the family: false.
bool stun_read_address(const struct stun_attr *a, struct tp_addr *out);
bool stun_read_xor_address(
	const struct stun_attr *a, const uint8_t transaction_id[12], struct tp_addr *out);

// FINGERPRINT is last, and its CRC-32 is right (RFC 8489 section 14.7).
bool stun_fingerprint_ok(const struct stun_message *m);
// The attribute is there at all (as the last one).
bool stun_has_fingerprint(const struct stun_message *m);
