// SPDX-License-Identifier: BSD-3-Clause
#include <stdlib.h>

#include "control/api/jsonrpc.h"
#include "control/api/operation.h"
#include "control/api/text.h"
#include "tests/fuzz/fuzz.h"

// Whatever is answered is one line of ASCII.
static void check_line(json_t *response)
{
	char *line = ctl_rpc_line(response);

	FUZZ_CHECK(line);
	FUZZ_CHECK(strchr(line, '\n') == line + strlen(line) - 1);
	for (const char *p = line; *p; p++)
		FUZZ_CHECK((unsigned char)*p < 0x80);
	free(line);
}

// Texts of parameters, as turnpikectl passes them on, and of addresses.
static void check_texts(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), out[64], why[CTL_OPERATION_WHY_BYTES];
	const struct ctl_operation *op;
	struct tp_addr addr;

	FUZZ_CHECK(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	FUZZ_CHECK(strlen(ctl_text_escape(text, out, sizeof(out))) < sizeof(out));
	for (unsigned int i = 0; (op = ctl_operation_at(i)); i++) {
		for (const struct ctl_param *p = op->param; p->type != CTL_PARAM_NONE; p++) {
			FUZZ_CHECK(ctl_operation_param(op, p->name) == p);
			why[0] = '\0';
			json_t *value = ctl_param_parse(p, text, why);
			FUZZ_CHECK((value == NULL) == (why[0] != '\0'));
			json_decref(value);
		}
		FUZZ_CHECK(!ctl_operation_param(op, "colour"));
	}
	if (ctl_addr_parse(text, &addr) == 0) {
		json_t *value = ctl_json_addr(&addr), *ip = ctl_json_ip(&addr.ip);
		struct tp_addr back;
		FUZZ_CHECK(ctl_addr_parse(json_string_value(value), &back) == 0);
		FUZZ_CHECK(tp_addr_equal(&addr, &back) && json_is_string(ip));
		json_decref(value);
		json_decref(ip);
	}
	check_line(ctl_rpc_result(NULL, ctl_json_field((const char *)data, size < 16 ? size : 16)));
	uint64_t wall_ns = 0;
	memcpy(&wall_ns, data, size < sizeof(wall_ns) ? size : sizeof(wall_ns));
	check_line(ctl_rpc_result(NULL, ctl_json_wall_time(wall_ns)));
	free(text);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct ctl_rpc_request request;
	char why[CTL_OPERATION_WHY_BYTES];
	json_t *error;

	if (ctl_rpc_parse((const char *)data, size, &request, &error)) {
		if (error)
			check_line(error);
	} else {
		const struct ctl_operation *op = ctl_operation_at((unsigned int)request.operation);
		FUZZ_CHECK(op);
		FUZZ_CHECK(ctl_operation_check(op, request.params, why) == 0);
		check_line(ctl_rpc_result(request.id, json_true()));
		fuzz_canary(data + size);
		ctl_rpc_request_fini(&request);
	}
	check_line(ctl_rpc_result(NULL, ctl_json_text(data, size)));
	check_line(ctl_operations_describe());
	check_texts(data, size);
}
