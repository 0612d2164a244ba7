// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/jsonrpc.h"
#include "control/api/operation.h"

static int parse(const char *line, struct ctl_rpc_request *request, json_t **error)
{
	size_t length = strlen(line);
	// Exact size, so that a sanitizer sees an over-read.
	char *exact = length ? malloc(length) : NULL;
	int rc;

	if (length)
		memcpy(exact, line, length);
	rc = ctl_rpc_parse(exact ? exact : "", length, request, error);
	free(exact);
	return rc;
}

static void assert_error(const char *line, int code, const char *id)
{
	struct ctl_rpc_request request;
	json_t *error = NULL;
	char *text;

	if (parse(line, &request, &error) != -EINVAL || !error)
		fail_msg("accepted: %s", line);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(error, "error"), "code")), code);
	text = json_dumps(json_object_get(error, "id"), JSON_ENCODE_ANY);
	assert_string_equal(text, id);
	free(text);
	text = ctl_rpc_line(error);
	assert_non_null(text);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

static void reads_a_call(void **state)
{
	struct ctl_rpc_request request;
	json_t *error;

	assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"allocation.list\","
			       "\"params\":{\"limit\":3}}",
				 &request, &error),
		0);
	assert_null(error);
	assert_int_equal(request.operation, CTL_OP_ALLOCATION_LIST);
	assert_int_equal(json_integer_value(request.id), 7);
	assert_int_equal(json_integer_value(json_object_get(request.params, "limit")), 3);
	ctl_rpc_request_fini(&request);
}

static void a_notification_has_no_id_and_no_error_response(void **state)
{
	struct ctl_rpc_request request;
	json_t *error;

	assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"method\":\"status\"}", &request, &error), 0);
	assert_null(request.id);
	ctl_rpc_request_fini(&request);
	assert_int_equal(
		parse("{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}", &request, &error), -EINVAL);
	assert_null(error);
}

static void refuses_what_is_no_request(void **state)
{
	assert_error("", CTL_RPC_PARSE, "null");
	assert_error("{", CTL_RPC_PARSE, "null");
	assert_error("{\"a\":1}}", CTL_RPC_PARSE, "null");
	assert_error("\xff\xfe\x00", CTL_RPC_PARSE, "null");
	assert_error("{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\"}", CTL_RPC_PARSE, "null");
	assert_error("{}", CTL_RPC_INVALID_REQUEST, "null");
	assert_error(
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"help\"}", CTL_RPC_INVALID_REQUEST, "1");
	assert_error(
		"{\"jsonrpc\":2.0,\"id\":1,\"method\":\"help\"}", CTL_RPC_INVALID_REQUEST, "1");
	assert_error("{\"jsonrpc\":\"2.0\",\"id\":1}", CTL_RPC_INVALID_REQUEST, "1");
	assert_error("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":3}", CTL_RPC_INVALID_REQUEST, "1");
	assert_error("{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"help\"}",
		CTL_RPC_INVALID_REQUEST, "null");
}

static void refuses_batches(void **state)
{
	assert_error("[]", CTL_RPC_INVALID_REQUEST, "null");
	assert_error("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"help\"}]",
		CTL_RPC_INVALID_REQUEST, "null");
}

static void refuses_unknown_operations_and_wrong_parameters(void **state)
{
#define CALL(method, params)                                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"" method "\",\"params\":" params "}"
	assert_error(CALL("frobnicate", "{}"), CTL_RPC_NO_METHOD, "\"x\"");
	assert_error(CALL("status", "[]"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(CALL("status", "null"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(CALL("status", "{\"a\":1}"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(CALL("allocation.list", "{\"limit\":\"3\"}"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(CALL("allocation.list", "{\"limit\":0}"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(CALL("allocation.list", "{\"limit\":501}"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(CALL("allocation.list", "{\"after\":-1}"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(CALL("allocation.show", "{}"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(
		CALL("allocation.show", "{\"id\":\"short\"}"), CTL_RPC_INVALID_PARAMS, "\"x\"");
	assert_error(
		CALL("allocation.show", "{\"client\":\"1.2.3.4:5\",\"relayed\":\"1.2.3.4:5\"}"),
		CTL_RPC_INVALID_PARAMS, "\"x\"");
#undef CALL
}

// What is quoted in an error is cut in the middle of a character.
static void errors_that_quote_are_still_json(void **state)
{
	char line[256];

	snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":"
		"\"a\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
		"\xc3"
		"\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"}");
	assert_error(line, CTL_RPC_NO_METHOD, "1");
}

// Several problems of a configuration are one message, a line each.
static void lines_of_a_message_stay_lines(void **state)
{
	json_t *error = ctl_rpc_error(NULL, CTL_RPC_REFUSED, "a: \x1b wrong\nb: \xff too");
	const char *message =
		json_string_value(json_object_get(json_object_get(error, "error"), "message"));

	assert_string_equal(message, "a: \\x1b wrong\nb: \\xff too");
	char *text = ctl_rpc_line(error);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

static void deep_nesting_is_an_error(void **state)
{
	char *line = malloc(60001);

	memset(line, '[', 60000);
	line[60000] = '\0';
	assert_error(line, CTL_RPC_PARSE, "null");
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_call),
		cmocka_unit_test(a_notification_has_no_id_and_no_error_response),
		cmocka_unit_test(refuses_what_is_no_request),
		cmocka_unit_test(refuses_batches),
		cmocka_unit_test(refuses_unknown_operations_and_wrong_parameters),
		cmocka_unit_test(errors_that_quote_are_still_json),
		cmocka_unit_test(lines_of_a_message_stay_lines),
		cmocka_unit_test(deep_nesting_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
