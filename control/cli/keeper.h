// SPDX-License-Identifier: BSD-3-Clause
// What turnpike-keeper says of restarts, in a file beside the sockets: it is told also when both
// daemons are dead.
#pragma once

#include "control/cli/cli.h"

// The document that the keeper wrote, with "running": whether that process is there; owned by the
// caller. NULL: no keeper was ever started there, or what stands there is none.
json_t *cli_keeper_read(const struct cli_args *args);

#define CLI_KEEPER_BYTES 240
// "died 2 times (1 of them because it hung), last 2026-12-01T03:00:00Z: signal 9 (Killed)", of
// "dataplane" or "control".
const char *cli_keeper_restarts(
	const json_t *keeper, const char *daemon, char out[CLI_KEEPER_BYTES]);
