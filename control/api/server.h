// SPDX-License-Identifier: BSD-3-Clause
// The control socket: RUN_DIRECTORY/control.sock, JSON-RPC 2.0, one object a line. Bounded in
// clients, line length, requests under way and unread answers. Loop thread
// only; the process ignores SIGPIPE.
#pragma once

#include <event2/event.h>
#include <jansson.h>

#include "control/api/jsonrpc.h"
#include "control/api/operation.h"

struct ctl_api;
struct ctl_call; // one request under way

// Runs an operation: reads the parameters of the call (an object or NULL, checked) and answers
// exactly once by ctl_call_reply or ctl_call_fail, before or after it returns.
typedef void (*ctl_operation_fn)(void *context, struct ctl_call *call, const json_t *params);

struct ctl_api_options {
	struct event_base *base;
	const char *path;            // of the socket; copied; what lies there is replaced
	const ctl_operation_fn *run; // CTL_OPERATIONS of them, static
	void *context;
	struct timeval write_timeout; // a client that reads nothing for so long is cut off
	struct timeval idle_timeout; // one that asks nothing and waits for nothing for so long, too
	int listener;                // of the control before, at that path; taken. 0: makes one
};

#define CTL_API_MAX_CLIENTS   32           // one more: the longest silent one has to go
#define CTL_API_MAX_UNDER_WAY 16           // requests of one client
#define CTL_API_PAUSE_BYTES   (256 * 1024) // unread answers: no further requests are read

// 0 or -errno. The caller holds the lock of the run directory.
int ctl_api_create(const struct ctl_api_options *options, struct ctl_api **out);
// Closes all clients and removes the socket. Calls under way must have been answered.
void ctl_api_destroy(struct ctl_api *api);

// For handing over. Paused, nobody is accepted and whoever is connected is refused with `why`, a
// literal.
int ctl_api_listener(const struct ctl_api *api);
void ctl_api_pause(struct ctl_api *api, const char *why);
void ctl_api_resume(struct ctl_api *api);
// The socket is another process's: _destroy leaves it.
void ctl_api_disown(struct ctl_api *api);
// Nobody waits for an answer, written or to come.
bool ctl_api_quiet(const struct ctl_api *api);

// Takes `result`.
void ctl_call_reply(struct ctl_call *call, json_t *result);
void ctl_call_fail(struct ctl_call *call, enum ctl_rpc_error code, const char *message);
