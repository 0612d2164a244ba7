// SPDX-License-Identifier: BSD-3-Clause
// Documents that were found right, as JSON beside the schema table: with all defaults written out,
// compared option by option, put together of an old and a new one. A list is one value.
#pragma once

#include <jansson.h>

#include "config/conf_schema.h"

// A copy with what defaults add. The caller owns it; NULL without memory.
json_t *conf_document_complete(const json_t *document);

// Ends a document; cleanses what it held. (conf_load.c)
void conf_document_forget(json_t *document);

// Calls `differs` for every option outside of lists that differs between two complete documents.
void conf_document_compare(const json_t *old, const json_t *fresh,
	void (*differs)(void *context, const struct conf_option *option), void *context);

// What a process that runs by `old` can take of `fresh`: options that change live from `fresh`, all
// others from `old`. The caller owns it; NULL without memory.
json_t *conf_document_merge(const json_t *old, const json_t *fresh);
