// SPDX-License-Identifier: BSD-3-Clause
// Walks the document along the schema table and stores its values in struct conf.
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_load.h"
#include "config/conf_schema.h"
#include "config/conf_value_check.h"

struct fill {
	struct conf_report *report;
	char path[512]; // of the value at hand
	size_t length;
};

static void fill_value(
	struct fill *f, const struct conf_option *option, const json_t *value, void *base);

// Appends to the path; returns what fill_leave() takes.
__attribute__((format(printf, 2, 3))) static size_t fill_enter(
	struct fill *f, const char *format, ...)
{
	size_t before = f->length, room = sizeof(f->path) - before;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(f->path + before, room, format, ap);
	va_end(ap);
	f->length += n < 0 ? 0 : (size_t)n < room ? (size_t)n : room - 1;
	return before;
}

static void fill_leave(struct fill *f, size_t before)
{
	f->length = before;
	f->path[before] = '\0';
}

static const char *fill_describe(
	const struct conf_option *option, const json_t *value, char *out, size_t capacity)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		snprintf(out, capacity, "a list of %zu", json_array_size(value));
		return out;
	case JSON_STRING:
		if (option->secret || json_string_length(value) > 64)
			snprintf(out, capacity, "a string of %zu bytes", json_string_length(value));
		else
			snprintf(out, capacity, "\"%s\"", json_string_value(value));
		return out;
	case JSON_INTEGER:
		snprintf(out, capacity, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		return option->secret ? "an integer" : out;
	case JSON_REAL:
		return "a number with a fraction or exponent";
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	default:
		return "null";
	}
}

static void fill_unexpected(struct fill *f, const struct conf_option *option, const json_t *value)
{
	char expected[CONF_EXPECTED_BYTES], is[128];

	conf_problem(f->report, f->path, "must be %s, is %s",
		conf_schema_expected(option, expected),
		fill_describe(option, value, is, sizeof(is)));
}

// ---- scalars: true when stored

static size_t fill_characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80; // not a continuation byte of UTF-8
	return n;
}

static bool fill_string(
	struct fill *f, const struct conf_option *option, const json_t *value, void *at)
{
	const char *text = json_string_value(value);
	size_t length;
	char *copy;

	if (!text)
		return false;
	length = option->type == CONF_TEXT ? fill_characters(text) : strlen(text);
	if (length < option->min || length > option->max)
		return false;
	if (option->type == CONF_NAME) {
		memcpy(at, text, length + 1);
	} else if (at) {
		copy = strdup(text);
		if (!copy)
			conf_problem(f->report, f->path, "%s", strerror(ENOMEM));
		*(char **)at = copy;
	}
	return true;
}

static bool fill_number(const struct conf_option *option, const json_t *value, uint64_t *number)
{
	*number = (uint64_t)json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0 && *number >= option->min &&
	       *number <= option->max;
}

static bool fill_integer(const struct conf_option *option, const json_t *value, void *at)
{
	uint64_t number;

	if (!fill_number(option, value, &number))
		return false;
	if (option->size == sizeof(uint16_t))
		*(uint16_t *)at = (uint16_t)number;
	else if (option->size == sizeof(uint32_t))
		*(uint32_t *)at = (uint32_t)number;
	else
		*(uint64_t *)at = number;
	return true;
}

// Index of the value in the choices, or -1.
static int fill_choice_index(const struct conf_option *option, const json_t *value)
{
	const char *text = json_string_value(value);

	for (int i = 0; text && option->choices[i]; i++) {
		if (strcmp(option->choices[i], text) == 0)
			return i;
	}
	return -1;
}

static void fill_unknown_choice(
	struct fill *f, const struct conf_option *option, const json_t *value)
{
	const struct conf_option one = {.type = CONF_CHOICE, .choices = option->choices};
	const char *text = json_string_value(value), *best = NULL;
	size_t least = SIZE_MAX;
	char expected[CONF_EXPECTED_BYTES], is[128];

	for (size_t i = 0; text && option->choices[i]; i++) {
		size_t distance = conf_misspelt(text, option->choices[i]);

		if (distance < least) {
			least = distance;
			best = option->choices[i];
		}
	}
	conf_schema_expected(&one, expected);
	fill_describe(option, value, is, sizeof(is));
	if (best)
		conf_problem(f->report, f->path, "must be %s, is \"%s\"; did you mean \"%s\"?",
			expected, text, best);
	else
		fill_unexpected(f, &one, value);
}

static void fill_choice(
	struct fill *f, const struct conf_option *option, const json_t *value, uint32_t *at)
{
	int index = fill_choice_index(option, value);

	if (index < 0)
		fill_unknown_choice(f, option, value);
	else
		*at = (uint32_t)option->min + (uint32_t)index;
}

static void fill_choices(
	struct fill *f, const struct conf_option *option, const json_t *value, uint32_t *at)
{
	const json_t *element;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) == 0) {
		fill_unexpected(f, option, value);
		return;
	}
	json_array_foreach(value, i, element) {
		size_t before = fill_enter(f, "[%zu]", i);
		int index = fill_choice_index(option, element);

		if (index < 0)
			fill_unknown_choice(f, option, element);
		else if (*at & UINT32_C(1) << index)
			conf_problem(f->report, f->path, "\"%s\" is there twice",
				option->choices[index]);
		else
			*at |= UINT32_C(1) << index;
		fill_leave(f, before);
	}
}

static bool fill_address(const json_t *value, struct tp_ip *at)
{
	return json_is_string(value) && tp_ip_parse(json_string_value(value), at) == 0;
}

static void fill_prefix(
	struct fill *f, const struct conf_option *option, const json_t *value, uint8_t *base)
{
	struct tp_ip *address = (struct tp_ip *)(base + option->offset);
	uint8_t *bits = base + option->bits_offset;
	const char *text = json_string_value(value);
	int rc = text ? tp_prefix_parse(text, address, bits) : -EINVAL;

	if (rc == -ERANGE)
		conf_problem(f->report, f->path,
			"\"%s\" has bits set behind the prefix length, or a length beyond the "
			"address",
			text);
	else if (rc)
		fill_unexpected(f, option, value);
}

static void fill_range(
	struct fill *f, const struct conf_option *option, const json_t *value, uint16_t at[2])
{
	const struct conf_option end = {
		.type = CONF_INTEGER, .min = option->min, .max = option->max};
	uint64_t range[2];
	bool good = true;

	if (!json_is_array(value) || json_array_size(value) != 2) {
		fill_unexpected(f, option, value);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		const json_t *element = json_array_get(value, i);
		size_t before = fill_enter(f, "[%zu]", i);

		if (!fill_number(&end, element, &range[i])) {
			fill_unexpected(f, &end, element);
			good = false;
		}
		fill_leave(f, before);
	}
	if (good && range[0] > range[1]) {
		conf_problem(f->report, f->path, "is upside down: %ju is above %ju",
			(uintmax_t)range[0], (uintmax_t)range[1]);
		good = false;
	}
	if (good) {
		at[0] = (uint16_t)range[0];
		at[1] = (uint16_t)range[1];
	}
}

// ---- objects and lists

static void fill_unknown_key(struct fill *f, const struct conf_option *object, const char *key)
{
	const struct conf_option *o = NULL, *schema;
	const char *best = NULL;
	size_t least = SIZE_MAX, distance, count;

	while ((o = conf_schema_next(object, o)) != NULL) {
		distance = conf_misspelt(key, conf_schema_name(o));
		if (distance < least) {
			least = distance;
			best = conf_schema_name(o);
		}
	}
	// Nothing like it here: perhaps it is in the wrong place.
	schema = conf_schema(&count);
	for (size_t i = 1; i < count && !best; i++) {
		if (strcmp(conf_schema_name(&schema[i]), key) == 0)
			best = schema[i].path;
	}
	if (best)
		conf_problem(f->report, f->path, "unknown key; did you mean \"%s\"?", best);
	else
		conf_problem(f->report, f->path, "unknown key");
}

static void fill_missing(struct fill *f, const struct conf_option *option, void *base)
{
	json_t *value;

	if (option->required)
		conf_problem(f->report, f->path, "is required");
	if (!option->default_json)
		return;
	value = json_loads(option->default_json, JSON_DECODE_ANY, NULL);
	if (value)
		fill_value(f, option, value, base);
	else
		conf_problem(f->report, f->path, "%s", strerror(ENOMEM));
	json_decref(value);
}

// An object with `choices` has exactly one of these keys.
static void fill_one_of(struct fill *f, const struct conf_option *object, const json_t *value)
{
	char expected[CONF_EXPECTED_BYTES];
	size_t present = 0;

	for (size_t i = 0; object->choices[i]; i++)
		present += json_object_get(value, object->choices[i]) != NULL;
	if (present == 1)
		return;
	const struct conf_option keys = {.type = CONF_CHOICE, .choices = object->choices};
	conf_problem(f->report, f->path, "must have exactly one of the keys %s, has %zu",
		conf_schema_expected(&keys, expected), present);
}

static void fill_object(
	struct fill *f, const struct conf_option *object, const json_t *value, void *base)
{
	const struct conf_option *o = NULL;
	const char *key;
	json_t *member;

	if (!json_is_object(value)) {
		fill_unexpected(f, object, value);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, member) {
		size_t before = fill_enter(f, "%s%.64s", f->length > 0 ? "." : "", key);

		o = conf_schema_key(object, key);
		if (o)
			fill_value(f, o, member, base);
		else
			fill_unknown_key(f, object, key);
		fill_leave(f, before);
	}
	o = NULL;
	while ((o = conf_schema_next(object, o)) != NULL) {
		size_t before;

		if (json_object_get(value, conf_schema_name(o)))
			continue;
		before = fill_enter(f, "%s%s", f->length > 0 ? "." : "", conf_schema_name(o));
		fill_missing(f, o, base);
		fill_leave(f, before);
	}
	if (object->choices)
		fill_one_of(f, object, value);
}

static void fill_list(
	struct fill *f, const struct conf_option *list, const json_t *value, uint8_t *base)
{
	const struct conf_option *element = conf_schema_element(list);
	size_t count = json_array_size(value), i;
	uint8_t *elements = base + list->offset;
	const json_t *member;

	if (!json_is_array(value) || count < list->min || count > list->max) {
		fill_unexpected(f, list, value);
		return;
	}
	if (list->on_heap && count > 0) {
		elements = calloc(count, list->element_size);
		if (!elements) {
			conf_problem(f->report, f->path, "%s", strerror(ENOMEM));
			return;
		}
		*(void **)(base + list->offset) = elements;
	}
	*(size_t *)(base + list->count_offset) = count;
	json_array_foreach(value, i, member) {
		size_t before = fill_enter(f, "[%zu]", i);

		fill_value(f, element, member, elements + i * list->element_size);
		fill_leave(f, before);
	}
}

// Stores one value by its type; false when it does not fit (scalars whose message is the usual
// one).
static bool fill_typed(
	struct fill *f, const struct conf_option *option, const json_t *value, uint8_t *base)
{
	void *at = option->size > 0 ? base + option->offset : NULL;

	switch (option->type) {
	case CONF_OBJECT:
		fill_object(f, option, value, base);
		return true;
	case CONF_LIST:
		fill_list(f, option, value, base);
		return true;
	case CONF_STRING:
	case CONF_TEXT:
	case CONF_NAME:
		return fill_string(f, option, value, at);
	case CONF_INTEGER:
		return fill_integer(option, value, at);
	case CONF_CHOICE:
		fill_choice(f, option, value, at);
		return true;
	case CONF_CHOICES:
		fill_choices(f, option, value, at);
		return true;
	case CONF_ADDRESS:
		return fill_address(value, at);
	case CONF_PREFIX:
		fill_prefix(f, option, value, base);
		return true;
	case CONF_RANGE:
		fill_range(f, option, value, at);
		return true;
	}
	return true;
}

static void fill_value(
	struct fill *f, const struct conf_option *option, const json_t *value, void *base)
{
	unsigned int before = f->report->problems;
	struct conf_check_context context = {.report = f->report, .path = f->path, .value = value};

	if (!fill_typed(f, option, value, base))
		fill_unexpected(f, option, value);
	if (!option->check)
		return;
	// An object's check looks at its keys and speaks even when one of them is wrong.
	if (f->report->problems == before || (option->type == CONF_OBJECT && json_is_object(value)))
		option->check(&context);
}

void conf_fill(struct conf *conf, const json_t *document, struct conf_report *report)
{
	struct fill f = {.report = report};
	size_t count;

	fill_value(&f, &conf_schema(&count)[0], document, conf);
}
