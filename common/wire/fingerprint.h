// SPDX-License-Identifier: BSD-3-Clause
// CRC-32 of ITU V.42 (the one of RFC 1952), under the FINGERPRINT of RFC 8489 section 14.7.
#pragma once

#include <stddef.h>
#include <stdint.h>

// CRC-32 of `len` bytes at any alignment. May be chained: pass the last result as `crc`, 0 at
// first.
uint32_t stun_crc32(uint32_t crc, const void *data, size_t len);

// The value of a FINGERPRINT attribute that follows `len` bytes of message, whose Message Length
// already counts it. Host order.
uint32_t stun_fingerprint(const void *message, size_t len);
