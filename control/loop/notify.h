// SPDX-License-Identifier: BSD-3-Clause
// Tells the service manager how we are: sd_notify(3) without libsystemd.
#pragma once

// Sends "READY=1" or the like to NOTIFY_SOCKET, if there is one. Never blocks, never fails.
void ctl_notify(const char *state);
