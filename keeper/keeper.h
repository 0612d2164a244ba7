// SPDX-License-Identifier: BSD-3-Clause
// Everything the keeper owns. One instance, created by main, passed first everywhere; one thread.
#pragma once

#include <limits.h>

#include "common/base/backoff.h"
#include "common/privilege/account.h"
#include "config/conf.h"
#include "keeper/process.h"
#include "keeper/store.h"

enum keeper_which { KEEPER_DATAPLANE, KEEPER_CONTROL, KEEPER_SERVICES };

struct keeper_service {
	const char *name; // "turnpike-dataplane"
	const char *program;
	char lock_path[PATH_MAX];
	uint32_t stop_ms; // how long an orderly end may take
	struct keeper_store store;
	struct tp_backoff backoff;
	pid_t pid; // 0: does not run
	int pidfd; // -1
	bool ready;
	bool reload_due; // SIGHUP, once it is ready
	bool ending;     // was told to
	uint64_t since_ns;
	uint64_t due_ns; // its next start, or its end by force; UINT64_MAX: neither
	int status;      // of waitpid(), -1 unknown
	bool watched;    // has said once that it works; heard_ns: when it did last
	uint64_t heard_ns;
	uint32_t deaths, hung; // died unasked, the latter of them because it hung
	uint64_t died_wall_s;  // last; 0: never
	char end_text[KEEPER_END_BYTES];
};

struct keeper {
	const struct conf *conf;
	struct tp_account account; // whose processes are looked after
	struct keeper_service service[KEEPER_SERVICES];
	char notify_path[PATH_MAX];
	int lock_fd, notify_fd, signal_fd, epoll_fd; // -1: not open
	bool stopping;
	uint64_t orphans_due_ns; // what is left then is killed; 0: nobody was asked to end
	bool forced;             // something did not end by itself
	bool ready;              // both were, and our own service manager knows
	bool told_failed;        // keeper.json could not be written last
};

// ---- keeper.c

// Locks the run directory, opens the socket, takes SIGTERM, SIGINT, SIGHUP and SIGCHLD. 0 or
// -errno, logged.
int keeper_open(struct keeper *k);
// Starts both daemons, or looks after those that run already, until SIGTERM or SIGINT; then ends
// control, and then the dataplane. 0; -EIO when one had to be killed; -errno.
int keeper_run(struct keeper *k);
void keeper_close(struct keeper *k);

// ---- listen.c

int keeper_listen(struct keeper *k);
// Takes what daemons say, a turn's worth at most.
void keeper_listen_read(struct keeper *k);

// ---- service.c

void keeper_service_init(struct keeper_service *s, const char *name, const char *program,
	const char *run_directory, const char *lock, uint32_t stop_ms);
// Starts it, unless it is found running: then it is looked after from now on.
void keeper_service_start(struct keeper *k, struct keeper_service *s);
// Whether it runs; finds one that runs already.
bool keeper_service_runs(struct keeper *k, struct keeper_service *s);
// The process is another one now, as the one before says. False: it may not be that one.
bool keeper_service_follow(struct keeper *k, struct keeper_service *s, pid_t pid, uid_t sender);
// Looks whether it died; then its next start is set.
void keeper_service_look(struct keeper *k, struct keeper_service *s);
void keeper_service_end(struct keeper_service *s);
// When that is, UINT64_MAX never.
uint64_t keeper_service_due_ns(const struct keeper *k, const struct keeper_service *s);
// What is due by now.
void keeper_service_due(struct keeper *k, struct keeper_service *s, uint64_t now_ns);
void keeper_service_reload(struct keeper_service *s);
// "ready", "starting" or "waits" for its next start.
const char *keeper_service_state(const struct keeper_service *s);
// Tells our own service manager, if there is one, and turnpikectl.
void keeper_tell(struct keeper *k);
