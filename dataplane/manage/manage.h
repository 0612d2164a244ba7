// SPDX-License-Identifier: BSD-3-Clause
// The management thread: one epoll loop on the main lcore that owns the socket other processes
// attach by, executes control's commands, follows the kernel's routing and answers status queries.
// Workers never wait for it.
#pragma once

#include "dataplane/dp.h"

// Creates RUN_DIRECTORY/dataplane.sock (0660) and the session region. Needs dp->lock_fd held,
// dp->workers, dp->apply, dp->locals; dp->net may be NULL (bench mode). SIGTERM and SIGINT have to
// be blocked in every thread. Logs what is wrong. 0 or -errno.
int dp_manage_create(struct dp *dp, struct dp_manage **out);
// The workers have stopped. Closes every connection and removes the socket. NULL is fine.
void dp_manage_destroy(struct dp_manage *m);

// Loops until SIGTERM or SIGINT (0) or until the kernel fails it (-errno).
int dp_manage_run(struct dp_manage *m);

// One turn of the loop, blocking at most `timeout_ms` (-1: until something happens). 1 when a
// signal asked for the end, 0, -errno. What _run is made of; tests drive it.
int dp_manage_turn(struct dp_manage *m, int timeout_ms);
// What happens once a second: late greetings, neighbours, workers that stand still.
void dp_manage_tick(struct dp_manage *m, uint64_t now_ns);
