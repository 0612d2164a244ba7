// SPDX-License-Identifier: BSD-3-Clause
// Short forms for reading answers; what is missing or of another type reads as nothing.
#pragma once

#include <jansson.h>

static inline int64_t cli_integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static inline const char *cli_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "-";
}

static inline bool cli_true(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

// One document, then the end of the line. Takes `value`.
static inline void cli_print_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	fputc('\n', stdout);
	json_decref(value);
}
