// SPDX-License-Identifier: BSD-3-Clause
// What control keeps of what it was started with: its user, no capability, the system calls of a
// process that only talks.
#pragma once

#include "config/conf.h"

// Makes the run directory and hands it over, becomes the user of `privileges`, gives up
// capabilities but NET_BIND_SERVICE for metrics below port 1024, or for stream processes with
// listeners there, keeps others from its memory.
// Warns of files that a reload will not be able to read. Before any thread, lock and socket. 0 or
// -errno, logged.
int ctl_privileges_drop(const struct conf *conf);

// The filter of system calls, for all threads, once everything is open. It stays over execve():
// common/privilege/filter_control.c. 0 or -errno, logged.
int ctl_privileges_filter(const struct conf *conf);
