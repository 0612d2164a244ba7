// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/config/conf_try.h"

#include "config/conf_schema.h"

static void every_default_is_json(void **state)
{
	const struct conf_option *schema;
	size_t count;

	schema = conf_schema(&count);
	for (size_t i = 0; i < count; i++) {
		if (!schema[i].default_json)
			continue;
		json_t *value = json_loads(schema[i].default_json, JSON_DECODE_ANY, NULL);
		if (!value || schema[i].required)
			fail_msg("%s", schema[i].path);
		json_decref(value);
	}
}

// The order that lookups rely on: the element right behind its list, keys behind their object.
static void every_entry_is_reached_from_the_document(void **state)
{
	const struct conf_option *schema, *o;
	size_t count, reached = 1;

	schema = conf_schema(&count);
	assert_string_equal(schema[0].path, "");
	for (size_t i = 0; i < count; i++) {
		if (schema[i].type == CONF_LIST) {
			char element[128];

			snprintf(element, sizeof(element), "%s[]", schema[i].path);
			assert_string_equal(conf_schema_element(&schema[i])->path, element);
			reached++;
		}
		for (o = NULL; schema[i].type == CONF_OBJECT &&
			       (o = conf_schema_next(&schema[i], o)) != NULL;)
			reached++;
	}
	assert_int_equal(reached, count);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(schema[i].path, schema[j].path);
}

// Whoever adds an option says what a change of it takes; what is inside of a list goes with the
// list.
static void every_option_says_what_a_change_takes(void **state)
{
	const struct conf_option *schema;
	size_t count;

	schema = conf_schema(&count);
	for (size_t i = 0; i < count; i++) {
		bool said = schema[i].change != CONF_CHANGE_UNSAID;
		bool leaf = schema[i].type != CONF_OBJECT && !strchr(schema[i].path, '[');

		if (said != leaf)
			fail_msg("%s", schema[i].path);
		if (said != (conf_schema_change(schema[i].change) != NULL))
			fail_msg("%s", schema[i].path);
	}
}

// Fields are as wide as their type says, so that no value is cut or written beyond.
static void fields_are_as_wide_as_their_types(void **state)
{
	const struct conf_option *schema;
	size_t count;

	schema = conf_schema(&count);
	for (size_t i = 0; i < count; i++) {
		const struct conf_option *o = &schema[i];
		bool good = true;

		switch (o->type) {
		case CONF_STRING:
		case CONF_TEXT:
			good = o->size == 0 || o->size == sizeof(char *);
			break;
		case CONF_NAME:
			good = o->size == o->max + 1;
			break;
		case CONF_INTEGER:
			good = o->size == 8 || (o->size == 4 && o->max <= UINT32_MAX) ||
			       (o->size == 2 && o->max <= UINT16_MAX);
			break;
		case CONF_BOOLEAN:
			good = o->size == sizeof(bool);
			break;
		case CONF_CHOICE:
		case CONF_CHOICES:
			good = o->size == sizeof(uint32_t) && o->choices;
			break;
		case CONF_ADDRESS:
		case CONF_PREFIX:
			good = o->size == sizeof(struct tp_ip);
			break;
		case CONF_LIST:
			good = o->on_heap ? o->size == sizeof(void *)
					  : o->size == o->max * o->element_size;
			break;
		case CONF_RANGE:
			good = o->size == sizeof(uint16_t);
			break;
		case CONF_OBJECT:
			break;
		}
		if (!good)
			fail_msg("%s", o->path);
		if (o->help == NULL || o->help[strlen(o->help) - 1] != '.')
			fail_msg("help of %s", o->path);
	}
}

static void keys_are_found_by_name(void **state)
{
	size_t count;
	const struct conf_option *document = conf_schema(&count);
	const struct conf_option *listeners = conf_schema_key(document, "listeners"), *port;

	assert_non_null(listeners);
	port = conf_schema_key(conf_schema_element(listeners), "port");
	assert_string_equal(port->path, "listeners[].port");
	assert_string_equal(conf_schema_name(port), "port");
	assert_null(conf_schema_key(document, "port"));
	assert_null(conf_schema_key(document, "listeners[]"));
	assert_null(conf_schema_key(document, "listeners[].port"));
	assert_null(conf_schema_key(document, ""));
}

// The committed documents come from the table: config/README.md says how to write them anew.
static void assert_committed(const char *name, void print(FILE *out))
{
	char path[512], *printed, *committed;
	FILE *out = try_stream(&printed);

	print(out);
	fclose(out);
	snprintf(path, sizeof(path), "%s/%s", TP_SOURCE_ROOT, name);
	committed = try_read(path);
	assert_string_equal(committed, printed);
	free(committed);
	free(printed);
}

static void manual_page_is_the_table(void **state)
{
	assert_committed("docs/man/turnpike.conf.md", conf_print_options);
}

static void json_schema_is_the_table(void **state)
{
	assert_committed("config/turnpike.schema.json", conf_print_json_schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_json),
		cmocka_unit_test(every_entry_is_reached_from_the_document),
		cmocka_unit_test(every_option_says_what_a_change_takes),
		cmocka_unit_test(fields_are_as_wide_as_their_types),
		cmocka_unit_test(keys_are_found_by_name),
		cmocka_unit_test(manual_page_is_the_table),
		cmocka_unit_test(json_schema_is_the_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
