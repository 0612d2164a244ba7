// SPDX-License-Identifier: BSD-3-Clause
// Loads documents from memory for the tests of config/, and catches what is printed.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config/conf_load.h"

#define TRY_CORES 16

// A stream into *text, which the caller frees after fclose.
static inline FILE *try_stream(char **text)
{
	static size_t length; // open_memstream wants it; nobody reads it
	FILE *stream = open_memstream(text, &length);

	assert_non_null(stream);
	return stream;
}

// Loads; *problems gets what was printed, to be freed. Returns the result of the load.
static inline int try_load(const char *text, size_t length, struct conf **out, char **problems)
{
	const struct conf_source source = {
		.name = "t.json", .text = text, .length = length, .cores = TRY_CORES};
	FILE *errors = try_stream(problems);
	int rc = conf_load_text(&source, out, errors);

	fclose(errors);
	return rc;
}

// A whole file, NUL-terminated, to be freed.
static inline char *try_read(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t length = 0;

	if (!f || getdelim(&text, &length, '\0', f) < 0)
		fail_msg("cannot read %s", path);
	fclose(f);
	return text;
}
