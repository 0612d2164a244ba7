// SPDX-License-Identifier: BSD-3-Clause
// The run directory, and that only one control works in it.
#pragma once

#include <sys/types.h>

// Makes the directory when it is missing and locks RUN_DIRECTORY/control.lock for as long as the
// returned descriptor is open. -EBUSY: another process holds it, *holder is its pid (0: unknown);
// else -errno.
int ctl_lock_take(const char *run_directory, pid_t *holder);
