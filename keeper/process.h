// SPDX-License-Identifier: BSD-3-Clause
// Daemons as processes: started with what is kept for them, or found running already.
#pragma once

#include <sys/types.h>

#include "keeper/store.h"

struct keeper_start {
	const char *program, *configuration;
	const char *notify_path;
	uint32_t watchdog_s; // 0: it need not say that it works
	const struct keeper_store *store;
};

// Starts a program in a session of its own, with the kept descriptors from 3 on and the variables
// of sd_notify(3) and sd_listen_fds(3). Its pid, or -errno of fork(); what execve() says is in the
// log, and the process ends with 127.
pid_t keeper_process_start(const struct keeper_start *start);

// Who holds a daemon's lock: 0 nobody (or there is no such file); a pid; -EACCES: a process of
// another user than `uid` or none, which we do not look after; -errno. The file is in a directory
// that daemons may write to: its word is checked, not believed.
pid_t keeper_process_find(const char *lock_path, uid_t uid);

// Whether the process runs as that user.
bool keeper_process_is(pid_t pid, uid_t uid);

// "exit code 1", "signal 9 (Killed)"; of a process that was not our child nothing is known: -1.
#define KEEPER_END_BYTES 64
char *keeper_process_end(int status, char out[KEEPER_END_BYTES]);
