// SPDX-License-Identifier: BSD-3-Clause
// Base64 as RFC 4648 section 4 has it, read strictly: padded, no line breaks, no bits left over, so
// that every text has one reading.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What `length` characters hold at most.
#define TP_BASE64_BYTES(length) ((length) / 4 * 3)

// False when it is no such text, or holds more than `capacity` bytes (out may have been written
// to). Reads neither before nor behind the text, which need not be terminated.
bool tp_base64_read(
	const void *text, size_t length, uint8_t *out, size_t capacity, size_t *out_length);

// Writes bytes / 3 * 4 characters, without a terminator; `bytes` is a multiple of three.
void tp_base64_write(const uint8_t *in, size_t bytes, char *out);
