// SPDX-License-Identifier: BSD-3-Clause
// Only one control works in a run directory.
#pragma once

#include <sys/types.h>

// Locks RUN_DIRECTORY/control.lock, in a directory that is there (privileges.h), for as long as the
// returned descriptor is open. -EBUSY: another process holds it, *holder is its pid (0: unknown);
// else -errno.
int ctl_lock_take(const char *run_directory, pid_t *holder);

// Writes our pid into a lock that came from another control, which holds it no longer or goes on
// holding it with us. 0 or -errno.
int ctl_lock_inherit(int fd);
