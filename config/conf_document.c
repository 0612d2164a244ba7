// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_document.h"

#include <string.h>

static const struct conf_option *root(void)
{
	size_t count;

	return &conf_schema(&count)[0];
}

// ---- completing

static json_t *complete(const struct conf_option *option, const json_t *value);

static json_t *default_of(const struct conf_option *option)
{
	json_t *value, *out;

	value = json_loads(option->default_json, JSON_DECODE_ANY, NULL);
	out = value ? complete(option, value) : NULL;
	json_decref(value);
	return out;
}

static json_t *complete_object(const struct conf_option *object, const json_t *value)
{
	const struct conf_option *o = NULL;
	json_t *out = json_object();
	bool good = out != NULL;

	while (good && (o = conf_schema_next(object, o)) != NULL) {
		const json_t *member = json_object_get(value, conf_schema_name(o));

		if (!member && !o->default_json)
			continue;
		good = json_object_set_new(out, conf_schema_name(o),
			       member ? complete(o, member) : default_of(o)) == 0;
	}
	if (good)
		return out;
	json_decref(out);
	return NULL;
}

static json_t *complete_list(const struct conf_option *list, const json_t *value)
{
	json_t *out = json_array(), *element;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)value, i, element) {
		if (json_array_append_new(out, complete(conf_schema_element(list), element)) == 0)
			continue;
		json_decref(out);
		return NULL;
	}
	return out;
}

static json_t *complete(const struct conf_option *option, const json_t *value)
{
	if (option->type == CONF_OBJECT)
		return complete_object(option, value);
	if (option->type == CONF_LIST)
		return complete_list(option, value);
	return json_deep_copy(value);
}

json_t *conf_document_complete(const json_t *document)
{
	return complete(root(), document);
}

// A section that a reload cannot make or take away whole: it needs a key that takes a restart.
static bool comes_with_a_restart(const struct conf_option *object)
{
	const struct conf_option *o = NULL;

	while ((o = conf_schema_next(object, o)) != NULL) {
		if (o->required && o->change != CONF_CHANGE_LIVE)
			return true;
	}
	return false;
}

// Whether such a section is in one of the two only: then it does not come, and stays as it is.
static bool stays(const struct conf_option *object, const json_t *old, const json_t *fresh)
{
	return object->type == CONF_OBJECT && !old != !fresh && comes_with_a_restart(object);
}

// Of these only hashes are kept: when the file has it no more, conf_reload.c makes such a section
// stay.
static bool holds_secrets(const struct conf_option *section)
{
	size_t count, n = strlen(section->path);
	const struct conf_option *schema = conf_schema(&count);

	for (size_t i = 0; i < count; i++) {
		if (schema[i].secret && strncmp(schema[i].path, section->path, n) == 0)
			return true;
	}
	return false;
}

// ---- comparing

static void compare(const struct conf_option *object, const json_t *old, const json_t *fresh,
	void (*differs)(void *context, const struct conf_option *option), void *context)
{
	const struct conf_option *o = NULL;

	while ((o = conf_schema_next(object, o)) != NULL) {
		const json_t *a = json_object_get(old, conf_schema_name(o));
		const json_t *b = json_object_get(fresh, conf_schema_name(o));

		if (stays(object, old, fresh) && o->change == CONF_CHANGE_LIVE)
			continue;
		if (o->type == CONF_OBJECT)
			compare(o, a, b, differs, context);
		else if (a != b && (!a || !b || !json_equal(a, b)))
			differs(context, o);
	}
}

void conf_document_compare(const json_t *old, const json_t *fresh,
	void (*differs)(void *context, const struct conf_option *option), void *context)
{
	compare(root(), old, fresh, differs, context);
}

// ---- merging

static json_t *merge(const struct conf_option *object, const json_t *old, const json_t *fresh);

// *out is new, or NULL when there is no such key in the result. False without memory.
static bool merge_member(
	const struct conf_option *o, const json_t *old, const json_t *fresh, json_t **out)
{
	const json_t *chosen = fresh;

	*out = NULL;
	if (o->type == CONF_OBJECT && !stays(o, old, fresh)) {
		*out = merge(o, old, fresh);
		if (!*out)
			return false;
		// A section of which nothing is left is there only if both have it.
		if (json_object_size(*out) == 0 && (!old || !fresh)) {
			json_decref(*out);
			*out = NULL;
		}
		return true;
	}
	if (o->change != CONF_CHANGE_LIVE && o->change != CONF_CHANGE_NOTHING)
		chosen = old;
	if (o->type == CONF_OBJECT && holds_secrets(o))
		chosen = NULL;
	if (!chosen)
		return true;
	*out = json_deep_copy(chosen);
	return *out != NULL;
}

static json_t *merge(const struct conf_option *object, const json_t *old, const json_t *fresh)
{
	const struct conf_option *o = NULL;
	json_t *out = json_object(), *member;
	bool good = out != NULL;

	while (good && (o = conf_schema_next(object, o)) != NULL) {
		const char *name = conf_schema_name(o);

		good = merge_member(
			o, json_object_get(old, name), json_object_get(fresh, name), &member);
		if (good && member)
			good = json_object_set_new(out, name, member) == 0;
	}
	if (good)
		return out;
	json_decref(out);
	return NULL;
}

json_t *conf_document_merge(const json_t *old, const json_t *fresh)
{
	return merge(root(), old, fresh);
}
