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
		if (request.operation == CTL_OP_STATUS)
			fuzz_canary(data + size);
		ctl_rpc_request_fini(&request);
	}
	check_line(ctl_rpc_result(NULL, ctl_json_text(data, size)));
}
