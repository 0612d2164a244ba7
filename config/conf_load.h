// SPDX-License-Identifier: BSD-3-Clause
// The steps of loading a configuration, for conf_load, tests and the fuzz target.
#pragma once

#include <jansson.h>

#include "config/conf.h"
#include "config/conf_report.h"

struct conf_source {
	const char *name; // in messages, and where relative files are looked for
	const char *text; // the document
	size_t length;
	unsigned int cores; // of the machine, numbered from 0
	bool files;         // whether files that the document names must be there
};

// As conf_load, of a regular file only: anything else is -EINVAL, and is not waited for.
int conf_load_again(const char *path, struct conf **out, FILE *errors);

// As conf_load, from memory. 0 or -EINVAL.
int conf_load_text(const struct conf_source *source, struct conf **out, FILE *errors);

// As conf_load, of a document that was read before.
int conf_load_json(const char *name, const json_t *document, struct conf **out, FILE *errors);

// Fills `conf` from the document by the schema table; what is wrong is reported, left zero, and
// keeps its place in lists. (conf_fill.c, conf_fill_scalar.c)
void conf_fill(struct conf *conf, const json_t *document, struct conf_report *report);

// Checks what no single value shows: duplicates, overlaps, sections that others need; completes
// defaults that depend on others. Skips what is zero. (conf_check.c, conf_check_address.c)
void conf_check(struct conf *conf, unsigned int cores, struct conf_report *report);

// Checks that the files which the document names can be read. (conf_check.c, conf_check_address.c)
void conf_check_files(const struct conf *conf, struct conf_report *report);
