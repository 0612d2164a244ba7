// SPDX-License-Identifier: BSD-3-Clause
// One walk over a STUN message that finds all a worker needs of it (RFC 8489 sections 5, 6.3, 14):
// whether it is well formed, where the peer address and the data are, whether anything in it asks
// for more than a worker gives. Reads nothing outside [bytes, bytes + length).
#pragma once

#include <stdbool.h>

#include "common/base/bytes.h"
#include "common/wire/stun.h"

struct stun_scan {
	uint16_t type;
	uint16_t peer; // offset of the first XOR-PEER-ADDRESS value, 0 when absent
	uint16_t peer_length;
	uint16_t data; // offset of the first DATA value, 0 when absent
	uint16_t data_length;
	uint16_t nonce; // offset of the first NONCE value, 0 when absent
	uint16_t nonce_length;
	bool dont_fragment;
	bool unknown_required; // a comprehension-required attribute that stun_attr.def does not
			       // list
	bool any_required;     // any comprehension-required attribute at all
	bool integrity;        // MESSAGE-INTEGRITY of either kind
	bool fingerprint;      // FINGERPRINT is the last attribute
};

// Understood comprehension-required types, all below 64, a bit each.
#define STUN_SCAN_BIT(value, understood)                                                           \
	((value) < 64 && (understood) ? UINT64_C(1) << ((value)&63) : 0)
static const uint64_t stun_scan_known = 0
#define STUN_ATTR(name, text, value, min, max, multiple, understood, rfc)                          \
	| STUN_SCAN_BIT(value, understood)
#include "common/wire/stun_attr.def"
#undef STUN_ATTR
	;

static inline void stun_scan_attr(struct stun_scan *s, uint16_t type, uint16_t at, uint16_t length)
{
	s->fingerprint = type == STUN_ATTR_FINGERPRINT;
	// RFC 8489 section 9: what follows MESSAGE-INTEGRITY of either kind is ignored, but for the
	// other kind, which adds nothing here, and FINGERPRINT.
	if (type >= 0x8000 || s->integrity)
		return;
	s->any_required = true;
	if (type == STUN_ATTR_XOR_PEER_ADDRESS) {
		if (s->peer == 0) {
			s->peer = at;
			s->peer_length = length;
		}
	} else if (type == STUN_ATTR_DATA) {
		if (s->data == 0) {
			s->data = at;
			s->data_length = length;
		}
	} else if (type == STUN_ATTR_MESSAGE_INTEGRITY ||
		   type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256) {
		s->integrity = true;
		s->unknown_required |= (stun_scan_known >> type & 1) == 0;
	} else if (type == STUN_ATTR_DONT_FRAGMENT) {
		s->dont_fragment = true;
	} else if (type == STUN_ATTR_NONCE) {
		if (s->nonce == 0) {
			s->nonce = at;
			s->nonce_length = length;
		}
	} else if (type >= 64 || (stun_scan_known >> type & 1) == 0) {
		s->unknown_required = true;
	}
}

// False when it is no STUN message of exactly `length` bytes.
static inline bool stun_scan(const uint8_t *bytes, uint32_t length, struct stun_scan *s)
{
	*s = (struct stun_scan){0};
	if (length < STUN_HEADER_BYTES || length > UINT16_MAX || (bytes[0] & 0xc0) != 0)
		return false;
	s->type = tp_rd16(bytes);
	if (tp_rd16(bytes + 2) != length - STUN_HEADER_BYTES || (length & 3) != 0 ||
		tp_rd32(bytes + 4) != STUN_MAGIC_COOKIE)
		return false;
	// `length` is a multiple of four and so is `at`: a header always fits.
	for (uint32_t at = STUN_HEADER_BYTES; at < length;) {
		uint16_t type = tp_rd16(bytes + at);
		uint16_t value = tp_rd16(bytes + at + 2);
		at += STUN_ATTR_HEADER_BYTES;
		if (((value + 3u) & ~3u) > length - at)
			return false;
		stun_scan_attr(s, type, (uint16_t)at, value);
		at += (value + 3u) & ~3u;
	}
	return true;
}
