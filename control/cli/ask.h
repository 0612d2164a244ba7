// SPDX-License-Identifier: BSD-3-Clause
// Asking control (JSON-RPC) and, when it is dead, the dataplane (struct tp_status_reply).
#pragma once

#include "common/abi/health.h"
#include "common/abi/memory.h"
#include "control/cli/cli.h"

#define CLI_TIMEOUT_MS           3000 // control: it waits a second for the dataplane
#define CLI_DATAPLANE_TIMEOUT_MS 1000

// One call. 0 with *result, owned by the caller; -EREMOTEIO: refused, the error object is in
// *result; -EPROTO: what came is no answer; -ETIMEDOUT and -errno of connect: nobody answered.
int cli_ask_control(const char *path, const char *method, json_t *params, json_t **result);

// The same with a time (CLOCK_MONOTONIC) after which no answer is waited for.
int cli_ask_control_until(
	const char *path, const char *method, json_t *params, uint64_t give_up_ns, json_t **result);

// Has every worker of the dataplane relay a probe. 0; -EOPNOTSUPP: it is of a version that cannot;
// else as below. *pid: who listens there as the kernel knows it, also when it does not answer; 0:
// nobody.
int cli_ask_probe(const char *path, uint32_t timeout_ms, uint64_t give_up_ns,
	struct tp_probe_reply *out, uint32_t *pid);

// 0, -EPROTO, -ETIMEDOUT, -errno of connect.
int cli_ask_dataplane(const char *path, struct tp_status_reply *out);

// What its memory is made of. 0; -EOPNOTSUPP: it is of a version that does not say; else as above.
int cli_ask_memory(const char *path, struct tp_memory_reply *out);

// Prints "turnpikectl: ..." for an -errno or error object of cli_ask_control (which it frees) and
// returns the exit code for it.
enum cli_exit cli_explain(int rc, json_t *error, const char *path);
