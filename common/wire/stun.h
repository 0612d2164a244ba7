// SPDX-License-Identifier: BSD-3-Clause
// STUN and TURN constants (RFC 8489, RFC 8656). Attributes live in stun_attr.def.
#pragma once

#include <stdint.h>

#define STUN_MAGIC_COOKIE         UINT32_C(0x2112A442)
#define STUN_HEADER_BYTES         20
#define STUN_TRANSACTION_ID_BYTES 12
#define STUN_ATTR_HEADER_BYTES    4
#define STUN_FINGERPRINT_XOR      UINT32_C(0x5354554e)
#define STUN_USERNAME_MAX_BYTES   513 // RFC 5389 allowed 513, RFC 8489 508: accept both
#define STUN_REALM_MAX_BYTES      763
#define STUN_NONCE_MAX_BYTES      763

enum stun_class {
	STUN_REQUEST = 0,
	STUN_INDICATION = 1,
	STUN_SUCCESS = 2,
	STUN_ERROR = 3,
};

enum stun_method {
	STUN_BINDING = 0x001,
	STUN_ALLOCATE = 0x003,
	STUN_REFRESH = 0x004,
	STUN_SEND = 0x006,
	STUN_DATA = 0x007,
	STUN_CREATE_PERMISSION = 0x008,
	STUN_CHANNEL_BIND = 0x009,
	STUN_CONNECT = 0x00a,
	STUN_CONNECTION_BIND = 0x00b,
	STUN_CONNECTION_ATTEMPT = 0x00c,
};

enum stun_attr_type {
#define STUN_ATTR(name, text, value, min, max, multiple, understood, rfc) STUN_ATTR_##name = value,
#include "common/wire/stun_attr.def"
#undef STUN_ATTR
};

// Error codes with their default reason phrases, RFC 8489 section 14.8 and RFC 8656 section 19.
enum stun_err {
	STUN_OK = 0,
#define STUN_ERR(name, code, reason) STUN_ERR_##name = code,
#include "common/wire/stun_err.def"
#undef STUN_ERR
};

// The 14-bit message type of RFC 8489 section 5: M and C bits interleaved.
static inline uint16_t stun_type(enum stun_class c, uint16_t method)
{
	return (uint16_t)((method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2 |
			  (c & 1) << 4 | (c & 2) << 7);
}

static inline enum stun_class stun_type_class(uint16_t type)
{
	return (enum stun_class)((type >> 4 & 1) | (type >> 7 & 2));
}

static inline uint16_t stun_type_method(uint16_t type)
{
	return (uint16_t)((type & 0x000f) | (type >> 1 & 0x0070) | (type >> 2 & 0x0f80));
}
