// SPDX-License-Identifier: BSD-3-Clause
// The FreeformClass of RFC 8264 section 4.3: which code points a string may have, by the properties
// of section 9 and the contextual rules of RFC 5892 appendix A.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Whether every code point of the string is valid in its place. Any values are taken, those that
// are no code points are invalid.
bool ctl_freeform_ok(const uint32_t *text, size_t count);
