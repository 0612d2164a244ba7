// SPDX-License-Identifier: BSD-3-Clause
// Values of ours as JSON, and text of others made harmless: for JSON (any bytes become valid UTF-8)
// and for terminals (no control characters).
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/addr.h"

// A JSON string of these bytes; NUL, control characters, and all of it when it is not UTF-8, are
// written as \xNN.
json_t *ctl_json_text(const void *bytes, size_t length);
// As above for a fixed-size, possibly unterminated field.
json_t *ctl_json_field(const char *field, size_t capacity);
// As ctl_json_text for a text of several lines, which it keeps apart.
json_t *ctl_json_lines(const char *text);

json_t *ctl_json_ip(const struct tp_ip *ip);       // null for none
json_t *ctl_json_addr(const struct tp_addr *addr); // null for none
// "2026-01-31T12:00:00Z"; null for 0.
json_t *ctl_json_wall_time(uint64_t wall_ns);

// Parses "198.18.0.2:3478" or "[fd00::1]:3478". 0 or -EINVAL.
int ctl_addr_parse(const char *text, struct tp_addr *out);

// Copies text for a terminal: C0 and C1 controls, DEL and invalid UTF-8 as \xNN. Cuts at capacity;
// returns out, always terminated.
char *ctl_text_escape(const char *text, char *out, size_t capacity);
