// SPDX-License-Identifier: BSD-3-Clause
// The descriptors of this process, as /proc/self/fd shows them.
#pragma once

#include <stdbool.h>

// Calls visit(fd, what it is, arg) for each open descriptor until it returns false. `visit` may
// open descriptors; whether it then sees them is open. 0 or -errno.
int dp_own_fds_walk(bool (*visit)(int fd, const char *target, void *arg), void *arg);
