// SPDX-License-Identifier: BSD-3-Clause
// The readiness protocol of sd_notify(3), without libsystemd.
#pragma once

// Sends `state` ("READY=1", "STOPPING=1") to the socket that NOTIFY_SOCKET names, if any. Never
// blocks and has no result: nobody can act on its failure.
void tp_notify_service_manager(const char *state);
