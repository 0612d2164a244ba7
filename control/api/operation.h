// SPDX-License-Identifier: BSD-3-Clause
// The operations of the control socket: one table that validates requests, documents them (`help`,
// turnpikectl, its man page) and gives turnpikectl the types of its key=value arguments.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

enum ctl_operation_id {
	CTL_OP_HELP,
	CTL_OP_STATUS,
	CTL_OP_STATS,
	CTL_OP_ALLOCATION_LIST,
	CTL_OP_ALLOCATION_SHOW,
	CTL_OP_ALLOCATION_CLOSE,
	CTL_OP_RELAY_LIST,
	CTL_OP_RELAY_PORTS,
	CTL_OP_RELAY_DRAIN,
	CTL_OP_RELAY_UNDRAIN,
	CTL_OP_RELAY_REMOVE,
	CTL_OP_RELOAD,
	CTL_OP_UPGRADE_CONTROL,
	CTL_OP_UPGRADE_STREAMS,
	CTL_OP_HEALTH,
	CTL_OP_MEMORY,
	CTL_OP_PROVISION,
	CTL_OP_UNPROVISION,
	CTL_OP_PROVISION_STATUS,
	CTL_OPERATIONS,
};

enum ctl_param_type {
	CTL_PARAM_NONE, // ends a list
	CTL_PARAM_INTEGER,
	CTL_PARAM_TEXT,
	CTL_PARAM_BOOLEAN, // `true` or `false`; bounds mean nothing
};

struct ctl_param {
	const char *name;
	enum ctl_param_type type;
	int64_t min, max; // INTEGER: values; TEXT: bytes
	const char *help;
};

#define CTL_OPERATION_MAX_PARAMS 8

struct ctl_operation {
	const char *name; // "allocation.list"
	const char *help;
	// Parameters are optional, unless this says that exactly one of them must be given. When
	// there is only one, turnpikectl takes it without its name too.
	bool exactly_one;
	struct ctl_param param[CTL_OPERATION_MAX_PARAMS + 1];
};

#define CTL_OPERATION_WHY_BYTES 200

// NULL beyond the last one.
const struct ctl_operation *ctl_operation_at(unsigned int id);
// The id of the operation of that name, or -ENOENT.
int ctl_operation_find(const char *name);
const struct ctl_param *ctl_operation_param(const struct ctl_operation *op, const char *name);

// Checks the parameters of a request (NULL: none given). 0, or -EINVAL with `why` filled.
int ctl_operation_check(
	const struct ctl_operation *op, const json_t *params, char why[CTL_OPERATION_WHY_BYTES]);

// Turns the text of a key=value argument into what the parameter wants. NULL with `why` filled when
// it does not fit. The caller owns the value.
json_t *ctl_param_parse(
	const struct ctl_param *param, const char *text, char why[CTL_OPERATION_WHY_BYTES]);

// The whole table as the result of `help`; the caller owns it.
json_t *ctl_operations_describe(void);
