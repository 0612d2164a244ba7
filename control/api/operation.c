// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/operation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALLOCATION_SELECTOR                                                                        \
	{                                                                                          \
		{"id", CTL_PARAM_TEXT, 32, 32, "unique id, 32 hexadecimal digits"},                \
			{"client", CTL_PARAM_TEXT, 3, 64, "address and port of the client"},       \
			{"relayed", CTL_PARAM_TEXT, 3, 64,                                         \
				"relayed address and port, as peers see it"},                      \
	}

#define RELAY_SELECTOR                                                                             \
	{                                                                                          \
		{"address", CTL_PARAM_TEXT, 2, 64,                                                 \
			"address or prefix, as relay.addresses has it"},                           \
	}

static const struct ctl_operation operations[] = {
	[CTL_OP_HELP] = {.name = "help", .help = "the operations, their parameters"},
	[CTL_OP_STATUS] = {.name = "status", .help = "state of both processes and why it is so"},
	[CTL_OP_STATS] = {.name = "stats",
		.help = "counters, drops by reason, steering, the books of the dataplane"},
	[CTL_OP_ALLOCATION_LIST] = {.name = "allocation.list",
		.help = "allocations; `next` of a result is the `after` of the following page",
		.param = {{"limit", CTL_PARAM_INTEGER, 1, 500, "allocations a page, 100"},
			{"after", CTL_PARAM_INTEGER, 0, UINT32_MAX, "`next` of the page before"}}},
	[CTL_OP_ALLOCATION_SHOW] = {.name = "allocation.show",
		.help = "one allocation with its permissions, channels and counters",
		.exactly_one = true,
		.param = ALLOCATION_SELECTOR},
	[CTL_OP_ALLOCATION_CLOSE] = {.name = "allocation.close",
		.help = "ends one allocation, as if it had expired",
		.exactly_one = true,
		.param = ALLOCATION_SELECTOR},
	[CTL_OP_RELAY_LIST] = {.name = "relay.list",
		.help = "relay addresses and prefixes as configured, their ports, which are "
			"drained"},
	[CTL_OP_RELAY_PORTS] = {.name = "relay.ports",
		.help = "ports of every single relay address, and of all together",
		.param = {{"limit", CTL_PARAM_INTEGER, 1, 500, "addresses a page, 100"},
			{"after", CTL_PARAM_INTEGER, 0, UINT32_MAX, "`next` of the page before"}}},
	[CTL_OP_RELAY_DRAIN] = {.name = "relay.drain",
		.help = "gives no more ports of an address or prefix; those taken stay",
		.exactly_one = true,
		.param = RELAY_SELECTOR},
	[CTL_OP_RELAY_UNDRAIN] = {.name = "relay.undrain",
		.help = "takes a drained or removed address or prefix into use again",
		.exactly_one = true,
		.param = RELAY_SELECTOR},
	[CTL_OP_RELAY_REMOVE] = {.name = "relay.remove",
		.help = "forgets an address or prefix that is drained and empty",
		.exactly_one = true,
		.param = RELAY_SELECTOR},
	[CTL_OP_RELOAD] = {.name = "reload",
		.help = "reads the configuration file again and applies what changes live",
		.param = {{"check", CTL_PARAM_BOOLEAN, 0, 0,
			"true: says what would change, changes nothing"}}},
	[CTL_OP_UPGRADE_CONTROL] = {.name = "upgrade.control",
		.help = "starts turnpike-control anew from its file and hands over to it"},
	[CTL_OP_UPGRADE_STREAMS] = {.name = "upgrade.streams",
		.help = "starts the stream processes anew from their file; those from before keep "
			"their clients and take no new ones"},
	[CTL_OP_HEALTH] = {.name = "health",
		.help = "has every worker relay a packet, asks control; names what hangs or is "
			"dead"},
	[CTL_OP_MEMORY] = {.name = "memory",
		.help = "what the resident memory of both processes is made of"},
	[CTL_OP_PROVISION] = {.name = "provision",
		.help = "makes synthetic allocations for packet generators (provision.allow)",
		.param = {{"count", CTL_PARAM_INTEGER, 1, 16777216, "allocations"},
			{"peers", CTL_PARAM_INTEGER, 1, 512,
				"permissions of each, a power of two, 1"},
			{"channels", CTL_PARAM_INTEGER, 1, 512,
				"channels of each, a power of two, 1"},
			{"client", CTL_PARAM_TEXT, 7, 15, "first client address, 198.19.0.0"},
			{"peer", CTL_PARAM_TEXT, 7, 15, "first peer address, 198.19.128.0"},
			{"listener", CTL_PARAM_TEXT, 9, 21,
				"address and port of the listener, the first for IPv4 and UDP"},
			{"relay", CTL_PARAM_TEXT, 7, 18,
				"entry of relay.addresses, the first that is large enough"},
			{"lifetime", CTL_PARAM_INTEGER, 60, 86400, "seconds, 86400"}}},
	[CTL_OP_UNPROVISION] = {.name = "unprovision", .help = "removes all synthetic allocations"},
	[CTL_OP_PROVISION_STATUS] = {.name = "provision.status",
		.help = "synthetic allocations: how many, their numbering, the job under way"},
};

const struct ctl_operation *ctl_operation_at(unsigned int id)
{
	return id < CTL_OPERATIONS ? &operations[id] : NULL;
}

int ctl_operation_find(const char *name)
{
	for (int i = 0; i < CTL_OPERATIONS; i++)
		if (strcmp(operations[i].name, name) == 0)
			return i;
	return -ENOENT;
}

const struct ctl_param *ctl_operation_param(const struct ctl_operation *op, const char *name)
{
	for (const struct ctl_param *p = op->param; p->type != CTL_PARAM_NONE; p++)
		if (strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

static int explain_bounds(const struct ctl_param *p, char *why)
{
	if (p->type == CTL_PARAM_BOOLEAN)
		snprintf(why, CTL_OPERATION_WHY_BYTES, "%s: expected true or false", p->name);
	else if (p->type == CTL_PARAM_INTEGER)
		snprintf(why, CTL_OPERATION_WHY_BYTES, "%s: expected an integer from %lld to %lld",
			p->name, (long long)p->min, (long long)p->max);
	else if (p->min == p->max)
		snprintf(why, CTL_OPERATION_WHY_BYTES, "%s: expected a string of %lld characters",
			p->name, (long long)p->min);
	else
		snprintf(why, CTL_OPERATION_WHY_BYTES,
			"%s: expected a string of %lld to %lld characters", p->name,
			(long long)p->min, (long long)p->max);
	return -EINVAL;
}

static bool fits(const struct ctl_param *p, const json_t *value)
{
	int64_t n;

	if (p->type == CTL_PARAM_BOOLEAN)
		return json_is_boolean(value);
	if (p->type == CTL_PARAM_INTEGER ? !json_is_integer(value) : !json_is_string(value))
		return false;
	n = p->type == CTL_PARAM_INTEGER ? json_integer_value(value)
					 : (int64_t)json_string_length(value);
	return n >= p->min && n <= p->max;
}

static void explain_choice(const struct ctl_operation *op, char *why)
{
	size_t at = (size_t)snprintf(why, CTL_OPERATION_WHY_BYTES, "%s needs %s", op->name,
		op->param[1].type == CTL_PARAM_NONE ? "" : "exactly one of ");

	for (const struct ctl_param *p = op->param; p->type != CTL_PARAM_NONE; p++)
		at += (size_t)snprintf(why + at, CTL_OPERATION_WHY_BYTES - at, "%s%s",
			p == op->param ? "" : ", ", p->name);
}

int ctl_operation_check(
	const struct ctl_operation *op, const json_t *params, char why[CTL_OPERATION_WHY_BYTES])
{
	size_t given = params ? json_object_size(params) : 0;
	const char *key;
	json_t *value;

	if (params && !json_is_object(params)) {
		snprintf(why, CTL_OPERATION_WHY_BYTES, "params: expected an object");
		return -EINVAL;
	}
	json_object_foreach((json_t *)(uintptr_t)params, key, value) {
		const struct ctl_param *p = ctl_operation_param(op, key);
		if (!p) {
			snprintf(why, CTL_OPERATION_WHY_BYTES, "%s has no parameter \"%.40s\"",
				op->name, key);
			return -EINVAL;
		}
		if (!fits(p, value))
			return explain_bounds(p, why);
	}
	if (op->exactly_one && given != 1) {
		explain_choice(op, why);
		return -EINVAL;
	}
	return 0;
}

json_t *ctl_param_parse(
	const struct ctl_param *param, const char *text, char why[CTL_OPERATION_WHY_BYTES])
{
	json_t *value = NULL;

	if (param->type == CTL_PARAM_TEXT) {
		value = json_string(text);
	} else if (param->type == CTL_PARAM_BOOLEAN) {
		if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
			value = json_boolean(text[0] == 't');
	} else {
		char *end;
		long long n;

		errno = 0;
		n = strtoll(text, &end, 10);
		if (errno == 0 && end != text && *end == '\0')
			value = json_integer(n);
	}
	if (value && fits(param, value))
		return value;
	json_decref(value);
	explain_bounds(param, why);
	return NULL;
}

static const char *type_name(enum ctl_param_type type)
{
	return type == CTL_PARAM_INTEGER   ? "integer"
	       : type == CTL_PARAM_BOOLEAN ? "boolean"
					   : "string";
}

static json_t *describe_params(const struct ctl_operation *op)
{
	json_t *list = json_array();

	for (const struct ctl_param *p = op->param; p->type != CTL_PARAM_NONE; p++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:I, s:I, s:s}", "name", p->name, "type",
				      type_name(p->type), "min", (json_int_t)p->min, "max",
				      (json_int_t)p->max, "help", p->help));
	return list;
}

json_t *ctl_operations_describe(void)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < CTL_OPERATIONS; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:o}", "name", operations[i].name, "help",
				      operations[i].help, "exactly_one", operations[i].exactly_one,
				      "params", describe_params(&operations[i])));
	return json_pack("{s:o}", "operations", list);
}
