// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/jsonrpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/operation.h"
#include "control/api/text.h"

json_t *ctl_rpc_result(json_t *id, json_t *result)
{
	return json_pack(
		"{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id ? id : json_null(), "result", result);
}

json_t *ctl_rpc_error(json_t *id, enum ctl_rpc_error code, const char *message)
{
	// The message may quote what was received.
	return json_pack("{s:s, s:O, s:{s:i, s:o}}", "jsonrpc", "2.0", "id", id ? id : json_null(),
		"error", "code", (int)code, "message", ctl_json_lines(message));
}

static bool id_valid(const json_t *id)
{
	return !id || json_is_string(id) || json_is_number(id) || json_is_null(id);
}

// Finds operation and parameters of a well-formed request object.
static int read_call(json_t *root, struct ctl_rpc_request *out, enum ctl_rpc_error *code, char *why)
{
	const char *method = json_string_value(json_object_get(root, "method"));
	json_t *params = json_object_get(root, "params");

	out->operation = ctl_operation_find(method);
	if (out->operation < 0) {
		*code = CTL_RPC_NO_METHOD;
		snprintf(why, CTL_OPERATION_WHY_BYTES, "no operation \"%.40s\"; see \"help\"",
			method);
		return -EINVAL;
	}
	*code = CTL_RPC_INVALID_PARAMS;
	if (ctl_operation_check(ctl_operation_at((unsigned int)out->operation), params, why))
		return -EINVAL;
	out->params = json_incref(params);
	return 0;
}

static int read_object(
	json_t *root, struct ctl_rpc_request *out, enum ctl_rpc_error *code, char *why)
{
	const char *version, *problem = NULL;
	json_t *id = json_object_get(root, "id");

	version = json_string_value(json_object_get(root, "jsonrpc"));
	if (json_is_array(root))
		problem = "batches are not supported: send one object a line";
	else if (!json_is_object(root))
		problem = "expected an object";
	else if (!id_valid(id))
		problem = "id: expected a string, a number or null";
	else if (!version || strcmp(version, "2.0") != 0)
		problem = "jsonrpc: expected \"2.0\"";
	else if (!json_is_string(json_object_get(root, "method")))
		problem = "method: expected a string";
	if (problem) {
		*code = CTL_RPC_INVALID_REQUEST;
		snprintf(why, CTL_OPERATION_WHY_BYTES, "%s", problem);
		// An unreadable request is answered with a null id, never silently dropped.
		out->id = id && id_valid(id) ? json_incref(id) : json_null();
		return -EINVAL;
	}
	out->id = json_incref(id);
	return read_call(root, out, code, why);
}

int ctl_rpc_parse(
	const char *line, size_t length_bytes, struct ctl_rpc_request *out, json_t **error)
{
	char why[CTL_OPERATION_WHY_BYTES] = "";
	enum ctl_rpc_error code;
	json_error_t where;
	json_t *root;
	int rc;

	*out = (struct ctl_rpc_request){0};
	*error = NULL;
	root = json_loadb(line, length_bytes, JSON_REJECT_DUPLICATES, &where);
	if (!root) {
		snprintf(why, sizeof(why), "not JSON: column %d: %.120s", where.column, where.text);
		*error = ctl_rpc_error(NULL, CTL_RPC_PARSE, why);
		return -EINVAL;
	}
	rc = read_object(root, out, &code, why);
	if (rc && out->id)
		*error = ctl_rpc_error(out->id, code, why);
	if (rc)
		ctl_rpc_request_fini(out);
	json_decref(root);
	return rc;
}

void ctl_rpc_request_fini(struct ctl_rpc_request *request)
{
	json_decref(request->id);
	json_decref(request->params);
	*request = (struct ctl_rpc_request){0};
}

char *ctl_rpc_line(json_t *response)
{
	char *text = response ? json_dumps(response, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	size_t length;
	char *line;

	json_decref(response);
	if (!text)
		return NULL;
	length = strlen(text);
	line = realloc(text, length + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	memcpy(line + length, "\n", 2);
	return line;
}
