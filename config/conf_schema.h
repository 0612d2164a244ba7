// SPDX-License-Identifier: BSD-3-Clause
// The table of all options: it parses, validates and documents. One entry a key of the document;
// "ports" is the list, "ports[]" one element of it, "ports[].name" a key of an element.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/conf.h"

struct conf_check_context;

enum conf_type {
	CONF_OBJECT,
	CONF_LIST,
	CONF_STRING,  // limits in bytes, stored as char * of its own
	CONF_TEXT,    // the same, limits in characters
	CONF_NAME,    // limits in bytes, stored in an array of char
	CONF_INTEGER, // stored unsigned, in 2, 4 or 8 bytes
	CONF_BOOLEAN, // stored as bool
	CONF_CHOICE,  // one of `choices`, stored as uint32_t: `min` + its index
	CONF_CHOICES, // list of `choices`, stored as bits of a uint32_t
	CONF_ADDRESS, // struct tp_ip
	CONF_PREFIX,  // struct tp_ip and, at `bits_offset`, uint8_t
	CONF_RANGE,   // list of two integers, stored as two uint16_t
};

// What a change of a value takes (config/conf_reload.h).
enum conf_change {
	CONF_CHANGE_UNSAID,            // of objects and of what is inside of a list: the list's
	CONF_CHANGE_NOTHING,           // nobody reads it
	CONF_CHANGE_LIVE,              // a reload applies it
	CONF_CHANGE_RESTART_CONTROL,   // read when turnpike-control starts
	CONF_CHANGE_RESTART_DATAPLANE, // read when turnpike-dataplane starts
	CONF_CHANGE_RESTART_BOTH,
	CONF_CHANGE_STREAMS, // read by turnpike-stream alone, when it starts and on SIGHUP
};

struct conf_option {
	const char *path;
	enum conf_type type;
	enum conf_change change;
	bool required;     // in the object it belongs to
	bool secret;       // never printed
	uint64_t min, max; // of a value, of a string's length, of a list's elements

	// Where the value goes: in struct conf, or in the element of the list it belongs to. A
	// `size` of 0 stores nothing.
	size_t offset, size;
	size_t bits_offset;  // prefix
	size_t count_offset; // list: size_t
	size_t element_size; // list
	bool on_heap;        // list: `offset` holds a pointer, else the elements themselves

	const char *default_json; // loaded when the key is absent; NULL: the field stays zero
	const char *default_note; // what the documentation says instead
	const char *unit;
	const char *const *choices; // NULL-terminated; of an object: exactly one of these keys
	void (*check)(struct conf_check_context *context); // of a value that is right by itself
	const char *help;
};

// The table, in the order of the documentation; [0] is the document itself (path "").
const struct conf_option *conf_schema(size_t *count);

// Walks the keys of an object in order: `previous` NULL gives the first, NULL comes after the last.
const struct conf_option *conf_schema_next(
	const struct conf_option *object, const struct conf_option *previous);
// The key of this name of an object, or NULL.
const struct conf_option *conf_schema_key(const struct conf_option *object, const char *name);
// What a list's elements are.
const struct conf_option *conf_schema_element(const struct conf_option *list);
// "changes live": for documentation; NULL for CONF_CHANGE_UNSAID.
const char *conf_schema_change(enum conf_change change);
// The last word of the path.
const char *conf_schema_name(const struct conf_option *option);

#define CONF_EXPECTED_BYTES 256
// "an integer from 1 to 65535": for messages and documentation alike. Returns out.
char *conf_schema_expected(const struct conf_option *option, char out[CONF_EXPECTED_BYTES]);
