// SPDX-License-Identifier: BSD-3-Clause
// The OpaqueString profile (RFC 8265 section 4.2), which RFC 8489 demands of user names, realms and
// passwords: spaces to U+0020, NFC, nothing outside FreeformClass, not empty; case is kept.
#pragma once

#include <stddef.h>
#include <stdint.h>

// The longest string that is prepared: a password of the configuration.
#define CTL_OPAQUE_MAX_BYTES 1024

// Writes the prepared form of text[length] to out[capacity], without a NUL; neither may overlap the
// other. Returns its length. -EINVAL: it is empty, no UTF-8, or has a code point that is not
// allowed there; -E2BIG: longer than CTL_OPAQUE_MAX_BYTES, or prepared longer than `capacity`;
// -ENOMEM. Any thread. Printable ASCII is its own prepared form and costs one look at each byte.
int ctl_opaque_prepare(const void *text, size_t length, uint8_t *out, size_t capacity);
