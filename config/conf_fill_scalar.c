// SPDX-License-Identifier: BSD-3-Clause
// Values that are no objects and no lists of anything: read, judged by the limits of their entry,
// stored.
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_fill.h"

size_t conf_fill_enter(struct conf_fill_state *f, const char *format, ...)
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

void conf_fill_leave(struct conf_fill_state *f, size_t before)
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

void conf_fill_unexpected(
	struct conf_fill_state *f, const struct conf_option *option, const json_t *value)
{
	char expected[CONF_EXPECTED_BYTES], is[128];

	conf_problem(f->report, f->path, "must be %s, is %s",
		conf_schema_expected(option, expected),
		fill_describe(option, value, is, sizeof(is)));
}

static size_t fill_characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80; // not a continuation byte of UTF-8
	return n;
}

static bool fill_string(
	struct conf_fill_state *f, const struct conf_option *option, const json_t *value, void *at)
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
	struct conf_fill_state *f, const struct conf_option *option, const json_t *value)
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
		conf_fill_unexpected(f, &one, value);
}

static void fill_choice(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, uint32_t *at)
{
	int index = fill_choice_index(option, value);

	if (index < 0)
		fill_unknown_choice(f, option, value);
	else
		*at = (uint32_t)option->min + (uint32_t)index;
}

static void fill_choices(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, uint32_t *at)
{
	const json_t *element;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) == 0) {
		conf_fill_unexpected(f, option, value);
		return;
	}
	json_array_foreach(value, i, element) {
		size_t before = conf_fill_enter(f, "[%zu]", i);
		int index = fill_choice_index(option, element);

		if (index < 0)
			fill_unknown_choice(f, option, element);
		else if (*at & UINT32_C(1) << index)
			conf_problem(f->report, f->path, "\"%s\" is there twice",
				option->choices[index]);
		else
			*at |= UINT32_C(1) << index;
		conf_fill_leave(f, before);
	}
}

static bool fill_address(const json_t *value, struct tp_ip *at)
{
	return json_is_string(value) && tp_ip_parse(json_string_value(value), at) == 0;
}

static void fill_prefix(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, uint8_t *base)
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
		conf_fill_unexpected(f, option, value);
}

static bool fill_boolean(const json_t *value, bool *at)
{
	if (!json_is_boolean(value))
		return false;
	if (at)
		*at = json_is_true(value);
	return true;
}

static void fill_range(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, uint16_t at[2])
{
	const struct conf_option end = {
		.type = CONF_INTEGER, .min = option->min, .max = option->max};
	uint64_t range[2];
	bool good = true;

	if (!json_is_array(value) || json_array_size(value) != 2) {
		conf_fill_unexpected(f, option, value);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		const json_t *element = json_array_get(value, i);
		size_t before = conf_fill_enter(f, "[%zu]", i);

		if (!fill_number(&end, element, &range[i])) {
			conf_fill_unexpected(f, &end, element);
			good = false;
		}
		conf_fill_leave(f, before);
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

void conf_fill_scalar(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, uint8_t *base)
{
	void *at = option->size > 0 ? base + option->offset : NULL;
	bool fits = true;

	switch (option->type) {
	case CONF_STRING:
	case CONF_TEXT:
	case CONF_NAME:
		fits = fill_string(f, option, value, at);
		break;
	case CONF_INTEGER:
		fits = fill_integer(option, value, at);
		break;
	case CONF_BOOLEAN:
		fits = fill_boolean(value, at);
		break;
	case CONF_CHOICE:
		fill_choice(f, option, value, at);
		break;
	case CONF_CHOICES:
		fill_choices(f, option, value, at);
		break;
	case CONF_ADDRESS:
		fits = fill_address(value, at);
		break;
	case CONF_PREFIX:
		fill_prefix(f, option, value, base);
		break;
	case CONF_RANGE:
		fill_range(f, option, value, at);
		break;
	case CONF_OBJECT:
	case CONF_LIST:
		break;
	}
	if (!fits)
		conf_fill_unexpected(f, option, value);
}
