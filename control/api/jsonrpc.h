// SPDX-License-Identifier: BSD-3-Clause
// JSON-RPC 2.0 over lines: one request object a line in, one response object a line out. Pure: no
// sockets, no state. A batch (an array) is refused: several lines do the same.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define CTL_RPC_LINE_BYTES 65536 // longest request line, newline included

enum ctl_rpc_error {
	CTL_RPC_PARSE = -32700,
	CTL_RPC_INVALID_REQUEST = -32600,
	CTL_RPC_NO_METHOD = -32601,
	CTL_RPC_INVALID_PARAMS = -32602,
	CTL_RPC_INTERNAL = -32603,
	CTL_RPC_NOT_FOUND = -32001,   // no such allocation or relay address
	CTL_RPC_UNAVAILABLE = -32002, // the dataplane is away or did not answer
	CTL_RPC_BUSY = -32003,        // too many clients or requests
	CTL_RPC_CONFLICT = -32004,    // not in the state that the operation needs
};

struct ctl_rpc_request {
	json_t *id;     // NULL: a notification, which gets no response
	int operation;  // enum ctl_operation_id
	json_t *params; // an object or NULL, checked against the operation's table
};

// Parses one line (without its newline, need not be terminated). 0 with *out filled, to be ended
// with ctl_rpc_request_fini; or -EINVAL with the response to send in *error, NULL when there is
// none because it was a notification.
int ctl_rpc_parse(
	const char *line, size_t length_bytes, struct ctl_rpc_request *out, json_t **error);
void ctl_rpc_request_fini(struct ctl_rpc_request *request);

// A response object; takes `result`, borrows `id` (NULL: null).
json_t *ctl_rpc_result(json_t *id, json_t *result);
json_t *ctl_rpc_error(json_t *id, enum ctl_rpc_error code, const char *message);

// The line to send, newline and NUL included, ASCII only; takes `response`. The caller frees it;
// NULL when out of memory.
char *ctl_rpc_line(json_t *response);
