// SPDX-License-Identifier: BSD-3-Clause
// Problems of a configuration: one line each, "FILE: PATH.IN.DOCUMENT: what is wrong", counted.
#pragma once

#include <stddef.h>
#include <stdio.h>

struct conf_report {
	const char *file; // as given by the operator
	FILE *errors;
	unsigned int problems;
};

// Prints and counts one problem. `path` is the place in the document, "" for the document itself.
// Control characters, which may come from the document, are written as \xNN.
__attribute__((format(printf, 3, 4))) void conf_problem(
	struct conf_report *report, const char *path, const char *format, ...);

#define CONF_PATH_BYTES 64
// Writes a path like "listeners[3].port"; returns out.
__attribute__((format(printf, 2, 3))) const char *conf_path(
	char out[CONF_PATH_BYTES], const char *format, ...);

// Whether `typed` looks like a misspelt `name`. Returns how far apart they are (insertions,
// deletions, replacements, swaps of neighbours), or SIZE_MAX when too far to be one.
size_t conf_misspelt(const char *typed, const char *name);
