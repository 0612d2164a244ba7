// SPDX-License-Identifier: BSD-3-Clause
// The protocol of sd_notify(3), without libsystemd: readiness, and descriptors that the service
// manager keeps while the process that opened them is gone.
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

// Sends `state` ("READY=1", "STOPPING=1") to the socket that NOTIFY_SOCKET names, if any. Never
// blocks and has no result: nobody can act on its failure.
void tp_notify_service_manager(const char *state);

// Sends `state` ("FDSTORE=1\nFDNAME=...") with a descriptor, -1: none, which stays the caller's.
// Blocks at most `timeout_ms`, 0: not at all. 0; -ENOTCONN: NOTIFY_SOCKET is unset or names no Unix
// socket; -EAGAIN: nobody read in time; -errno.
int tp_notify_descriptor(const char *state, int fd, unsigned int timeout_ms);

// Says that this process works, where its service manager wants to hear that (WATCHDOG_USEC).
void tp_notify_watchdog(void);

// The file that NOTIFY_SOCKET names. False: none, or an abstract name, or it is not there now.
bool tp_notify_file(struct stat *out);
