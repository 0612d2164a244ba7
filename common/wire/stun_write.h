// SPDX-License-Identifier: BSD-3-Clause
// Writes STUN messages into a caller's buffer. An overflow is remembered and makes _finish fail, so
// one check at the end suffices. Padding is always zero (RFC 8489 section 14). A whole message has
// at most STUN_MESSAGE_MAX_BYTES; an address without family counts as an overflow.
#pragma once

#include "common/base/addr.h"
#include "common/wire/stun.h"

#define STUN_MESSAGE_MAX_BYTES 65532 // what struct stun_message can say, a multiple of 4

struct stun_writer {
	uint8_t *buffer;
	size_t capacity;
	size_t length; // bytes so far, header included
	bool overflow;
};

void stun_write_begin(struct stun_writer *w, void *buffer, size_t capacity, enum stun_class class,
	uint16_t method, const uint8_t transaction_id[12]);

// Appends header, value and padding.
void stun_write_attr(struct stun_writer *w, uint16_t type, const void *value, size_t length);
void stun_write_u32(struct stun_writer *w, uint16_t type, uint32_t value);
void stun_write_address(struct stun_writer *w, uint16_t type, const struct tp_addr *addr);
void stun_write_xor_address(struct stun_writer *w, uint16_t type, const struct tp_addr *addr);
// ERROR-CODE with the default reason phrase of stun_err.def.
void stun_write_error(struct stun_writer *w, enum stun_err code);
void stun_write_unknown_attributes(struct stun_writer *w, const uint16_t *types, size_t count);
// Appends FINGERPRINT over all that was written.
void stun_write_fingerprint(struct stun_writer *w);

// Reserves an attribute of `length` value bytes and returns where to put them, with Message Length
// already counting the attribute (so MESSAGE-INTEGRITY can be computed over [buffer, header of the
// attribute)): RFC 8489 section 14.5. NULL on overflow.
uint8_t *stun_write_reserve(struct stun_writer *w, uint16_t type, size_t length);

// Sets Message Length; returns the whole length in bytes or -ENOBUFS.
int stun_write_finish(struct stun_writer *w);

const char *stun_reason(enum stun_err code);   // never NULL
const char *stun_method_name(uint16_t method); // "Allocate", or NULL
const char *stun_attr_name(uint16_t type);     // "XOR-PEER-ADDRESS", or NULL
