// SPDX-License-Identifier: BSD-3-Clause
// The schema table as documentation: Markdown for people, JSON Schema for editors.
#include <jansson.h>
#include <string.h>

#include "config/conf_schema.h"

#define PRINT_COLUMNS 100

// Text wrapped at PRINT_COLUMNS, every line indented.
static void print_wrapped(FILE *out, const char *indent, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > 0 && column + 1 + word > PRINT_COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		column +=
			(size_t)fprintf(out, "%s%.*s", column == 0 ? indent : " ", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	fputc('\n', out);
}

static void print_option(FILE *out, const struct conf_option *o)
{
	char expected[CONF_EXPECTED_BYTES];

	fprintf(out, "- `%s`: %s%s%s", o->path, conf_schema_expected(o, expected),
		o->unit ? ", in " : "", o->unit ? o->unit : "");
	if (o->required)
		fputs("; required", out);
	if (o->default_note)
		fprintf(out, "; default: %s", o->default_note);
	else if (o->default_json && o->type != CONF_OBJECT)
		fprintf(out, "; default `%s`", o->default_json);
	if (o->change != CONF_CHANGE_UNSAID)
		fprintf(out, "; %s", conf_schema_change(o->change));
	fputs(".\n", out);
	print_wrapped(out, "  ", o->help);
}

void conf_print_options(FILE *out)
{
	size_t count;
	const struct conf_option *schema = conf_schema(&count);

	fputs("# turnpike.conf\n\n", out);
	print_wrapped(out, "", schema[0].help);
	fputc('\n', out);
	print_wrapped(out, "",
		"It is JSON. Keys that are not listed here are errors. A daemon prints this page "
		"with "
		"`--options` and the JSON Schema with `--json-schema`; `-c FILE --check` reports "
		"every "
		"problem of a document with its place in it.");
	fputc('\n', out);
	print_wrapped(out, "",
		"What changes live is applied by `turnpikectl reload`, which names what needs a "
		"restart and of which daemon; until then that keeps its old value.");
	for (size_t i = 1; i < count; i++) {
		bool section = !strpbrk(schema[i].path, ".[") &&
			       (schema[i].type == CONF_OBJECT || schema[i].type == CONF_LIST);

		// An element that is an object says no more than its list and its keys.
		if (schema[i].type == CONF_OBJECT && !section)
			continue;
		if (section)
			fprintf(out, "\n## %s\n\n", schema[i].path);
		else if (i == 1)
			fputs("\n## General\n\n", out);
		print_option(out, &schema[i]);
	}
}

// ---- JSON Schema

static json_t *schema_of(const struct conf_option *o);

static json_t *schema_choices(const char *const *choices)
{
	json_t *list = json_array();

	for (size_t i = 0; choices[i]; i++)
		json_array_append_new(list, json_string(choices[i]));
	return list;
}

static void schema_string(json_t *s, const struct conf_option *o)
{
	json_object_set_new(s, "type", json_string("string"));
	json_object_set_new(s, "minLength", json_integer((json_int_t)o->min));
	json_object_set_new(s, "maxLength", json_integer((json_int_t)o->max));
}

static void schema_integer(json_t *s, const struct conf_option *o)
{
	json_object_set_new(s, "type", json_string("integer"));
	json_object_set_new(s, "minimum", json_integer((json_int_t)o->min));
	json_object_set_new(s, "maximum", json_integer((json_int_t)o->max));
}

static void schema_list(json_t *s, json_t *items, uint64_t min, uint64_t max)
{
	json_object_set_new(s, "type", json_string("array"));
	json_object_set_new(s, "minItems", json_integer((json_int_t)min));
	json_object_set_new(s, "maxItems", json_integer((json_int_t)max));
	json_object_set_new(s, "items", items);
}

static void schema_object(json_t *s, const struct conf_option *object)
{
	json_t *properties = json_object(), *required = json_array(), *one_of = json_array();
	const struct conf_option *o = NULL;

	while ((o = conf_schema_next(object, o)) != NULL) {
		json_object_set_new(properties, conf_schema_name(o), schema_of(o));
		if (o->required)
			json_array_append_new(required, json_string(conf_schema_name(o)));
	}
	for (size_t i = 0; object->choices && object->choices[i]; i++)
		json_array_append_new(one_of, json_pack("{s:[s]}", "required", object->choices[i]));
	json_object_set_new(s, "type", json_string("object"));
	json_object_set_new(s, "additionalProperties", json_false());
	json_object_set_new(s, "properties", properties);
	if (json_array_size(required) > 0)
		json_object_set(s, "required", required);
	if (json_array_size(one_of) > 0)
		json_object_set(s, "oneOf", one_of);
	json_decref(required);
	json_decref(one_of);
}

static void schema_type(json_t *s, const struct conf_option *o)
{
	json_t *items;

	switch (o->type) {
	case CONF_OBJECT:
		schema_object(s, o);
		break;
	case CONF_LIST:
		schema_list(s, schema_of(conf_schema_element(o)), o->min, o->max);
		break;
	case CONF_STRING:
	case CONF_TEXT:
	case CONF_NAME:
		schema_string(s, o);
		break;
	case CONF_INTEGER:
		schema_integer(s, o);
		break;
	case CONF_BOOLEAN:
		json_object_set_new(s, "type", json_string("boolean"));
		break;
	case CONF_CHOICE:
		json_object_set_new(s, "enum", schema_choices(o->choices));
		break;
	case CONF_CHOICES:
		items = json_pack("{s:o}", "enum", schema_choices(o->choices));
		schema_list(s, items, 1, 4);
		json_object_set_new(s, "uniqueItems", json_true());
		break;
	case CONF_ADDRESS:
		json_object_set_new(s, "type", json_string("string"));
		json_object_set_new(
			s, "anyOf", json_pack("[{s:s},{s:s}]", "format", "ipv4", "format", "ipv6"));
		break;
	case CONF_PREFIX:
		json_object_set_new(s, "type", json_string("string"));
		json_object_set_new(s, "pattern", json_string("^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"));
		break;
	case CONF_RANGE:
		items = json_object();
		schema_integer(items, o);
		schema_list(s, items, 2, 2);
		break;
	}
}

static json_t *schema_of(const struct conf_option *o)
{
	json_t *s = json_object();

	json_object_set_new(s, "description", json_string(o->help));
	schema_type(s, o);
	if (o->default_json)
		json_object_set_new(
			s, "default", json_loads(o->default_json, JSON_DECODE_ANY, NULL));
	return s;
}

void conf_print_json_schema(FILE *out)
{
	size_t count;
	json_t *s = json_object(), *document = schema_of(&conf_schema(&count)[0]);

	json_object_set_new(
		s, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
	json_object_set_new(s, "title", json_string("Turnpike configuration"));
	json_object_update(s, document);
	json_dumpf(s, out, JSON_INDENT(2));
	fputc('\n', out);
	json_decref(document);
	json_decref(s);
}
