// SPDX-License-Identifier: BSD-3-Clause
// Descriptors that a service manager passes at the start: sd_listen_fds_with_names(3), without
// libsystemd.
#pragma once

#include <sys/types.h>

#define TP_LISTEN_FDS_START 3
#define TP_LISTEN_FDS_MAX   64

// How many descriptors the variables LISTEN_PID (`pid`), LISTEN_FDS (`count`) pass to process
// `self`: 0 when they are meant for another one, are absent (NULL) or make no sense, or are more
// than TP_LISTEN_FDS_MAX.
unsigned int tp_listen_fds_count(const char *pid, const char *count, pid_t self);

// Which of LISTEN_FDNAMES (`names`, separated by colons; NULL: none) is `name`: its place, -1 none.
int tp_listen_fds_find(const char *names, const char *name);

// The descriptor passed to this process under that name, close-on-exec and the caller's; 0: none.
// All others that were passed are closed, and the variables taken away. Call once, before any
// thread and before other descriptors are opened.
int tp_listen_fds_take(const char *name);
