// SPDX-License-Identifier: BSD-3-Clause
// What the two halves of conf_fill() share: the place in the document, and the values themselves.
#pragma once

#include <jansson.h>

#include "config/conf_report.h"
#include "config/conf_schema.h"

struct conf_fill_state {
	struct conf_report *report;
	char path[512]; // of the value at hand
	size_t length;
};

// Appends to the path; returns what conf_fill_leave() takes.
__attribute__((format(printf, 2, 3))) size_t conf_fill_enter(
	struct conf_fill_state *f, const char *format, ...);
void conf_fill_leave(struct conf_fill_state *f, size_t before);

// Reports that the value at hand is not what its entry expects.
void conf_fill_unexpected(
	struct conf_fill_state *f, const struct conf_option *option, const json_t *value);

// Stores a value of any type but object and list in the struct at `base`, or reports why not.
void conf_fill_scalar(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, uint8_t *base);
