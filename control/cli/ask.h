// SPDX-License-Identifier: BSD-3-Clause
// Asking control (JSON-RPC) and, when it is dead, the dataplane (struct tp_status_reply).
#pragma once

#include "control/cli/cli.h"

#define CLI_TIMEOUT_MS           3000 // control: it waits a second for the dataplane
#define CLI_DATAPLANE_TIMEOUT_MS 1000

// One call. 0 with *result, owned by the caller; -EREMOTEIO: refused, the error object is in
// *result; -EPROTO: what came is no answer; -ETIMEDOUT and -errno of connect: nobody answered.
int cli_ask_control(const char *path, const char *method, json_t *params, json_t **result);
// The same for what takes control longer than CLI_TIMEOUT_MS.
int cli_ask_control_within(const char *path, unsigned int timeout_ms, const char *method,
	json_t *params, json_t **result);

// 0, -EPROTO, -ETIMEDOUT, -errno of connect.
int cli_ask_dataplane(const char *path, struct tp_status_reply *out);

// Prints "turnpikectl: ..." for an -errno or error object of cli_ask_control (which it frees) and
// returns the exit code for it.
enum cli_exit cli_explain(int rc, json_t *error, const char *path);
