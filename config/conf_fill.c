// SPDX-License-Identifier: BSD-3-Clause
// Walks the document along the schema table and stores its values in struct conf.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf_fill.h"
#include "config/conf_load.h"
#include "config/conf_schema.h"
#include "config/conf_value_check.h"

static void fill_value(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, void *base);

static void fill_unknown_key(
	struct conf_fill_state *f, const struct conf_option *object, const char *key)
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

static void fill_missing(struct conf_fill_state *f, const struct conf_option *option, void *base)
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
static void fill_one_of(
	struct conf_fill_state *f, const struct conf_option *object, const json_t *value)
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

static void fill_object(struct conf_fill_state *f, const struct conf_option *object,
	const json_t *value, void *base)
{
	const struct conf_option *o = NULL;
	const char *key;
	json_t *member;

	if (!json_is_object(value)) {
		conf_fill_unexpected(f, object, value);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)value, key, member) {
		size_t before = conf_fill_enter(f, "%s%.64s", f->length > 0 ? "." : "", key);

		o = conf_schema_key(object, key);
		if (o)
			fill_value(f, o, member, base);
		else
			fill_unknown_key(f, object, key);
		conf_fill_leave(f, before);
	}
	o = NULL;
	while ((o = conf_schema_next(object, o)) != NULL) {
		size_t before;

		if (json_object_get(value, conf_schema_name(o)))
			continue;
		before = conf_fill_enter(f, "%s%s", f->length > 0 ? "." : "", conf_schema_name(o));
		fill_missing(f, o, base);
		conf_fill_leave(f, before);
	}
	if (object->choices)
		fill_one_of(f, object, value);
}

static void fill_list(struct conf_fill_state *f, const struct conf_option *list,
	const json_t *value, uint8_t *base)
{
	const struct conf_option *element = conf_schema_element(list);
	size_t count = json_array_size(value), i;
	uint8_t *elements = base + list->offset;
	const json_t *member;

	if (!json_is_array(value) || count < list->min || count > list->max) {
		conf_fill_unexpected(f, list, value);
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
		size_t before = conf_fill_enter(f, "[%zu]", i);

		fill_value(f, element, member, elements + i * list->element_size);
		conf_fill_leave(f, before);
	}
}

static void fill_value(struct conf_fill_state *f, const struct conf_option *option,
	const json_t *value, void *base)
{
	unsigned int before = f->report->problems;
	struct conf_check_context context = {.report = f->report, .path = f->path, .value = value};

	if (option->type == CONF_OBJECT)
		fill_object(f, option, value, base);
	else if (option->type == CONF_LIST)
		fill_list(f, option, value, base);
	else
		conf_fill_scalar(f, option, value, base);
	if (!option->check)
		return;
	// An object's check looks at its keys and speaks even when one of them is wrong.
	if (f->report->problems == before || (option->type == CONF_OBJECT && json_is_object(value)))
		option->check(&context);
}

void conf_fill(struct conf *conf, const json_t *document, struct conf_report *report)
{
	struct conf_fill_state f = {.report = report};
	size_t count;

	fill_value(&f, &conf_schema(&count)[0], document, conf);
}
