// SPDX-License-Identifier: BSD-3-Clause
// The inside of struct ctl_streams, for streams*.c only.
#pragma once

#include <sys/queue.h>
#include <sys/types.h>

#include "control/alloc/connection.h"
#include "control/io/stream_attach.h"
#include "control/io/stream_budget.h"
#include "control/loop/respawn.h"
#include "control/loop/streams.h"

#define CTL_STREAMS_MOST TP_STREAM_PLACES
#define CTL_SWEEP_IDLE   UINT32_MAX

// A process: greeted or not yet, attached, or lost and remembered until its time is up.
struct ctl_streams_member {
	TAILQ_ENTRY(ctl_streams_member) entry;
	struct ctl_streams *streams;
	bool attached; // `stream` and `link` are good
	bool draining;
	bool before;      // an upgrade began: the next generation takes its place
	uint64_t started; // of its process, in ticks since boot
	int sock, pidfd;  // -1: none
	pid_t pid;
	uint64_t until_ns; // of one that did not greet, or is lost
	struct event *readable, *wakeup;
	struct ctl_stream stream;
	struct ctl_stream_link link;
};

// An upgrade of the stream processes. No call: none.
struct ctl_streams_renewal {
	struct ctl_call *call;
	uint64_t until_ns;
};

struct ctl_streams {
	struct ctl *ctl;
	char *path;
	int listener;
	bool disowned, paused;
	struct event *acceptable, *child_ended;
	TAILQ_HEAD(ctl_streams_members, ctl_streams_member) members;
	uint32_t n_members;
	struct ctl_stream_in in;
	struct ctl_stream_budget *budget; // of connections without an allocation
	uint64_t absent_until_ns;         // streams that were never seen may still come
	uint32_t sweep;                   // next record, or CTL_SWEEP_IDLE
	uint64_t now_ns;                  // of the round

	TAILQ_HEAD(, ctl_streams_ask) asks; // in the order of their deadlines

	struct ctl_respawn respawn;
	struct ctl_streams_renewal renewal;
	pid_t child[CTL_STREAMS_MOST];     // 0: a free place
	bool child_came[CTL_STREAMS_MOST]; // it has attached
	uint64_t starts;
};

static inline bool ctl_streams_lost(const struct ctl_streams_member *m)
{
	return !m->attached && m->stream.number != 0;
}

// ---- streams.c
// Attached or lost; NULL: never seen, or forgotten.
struct ctl_streams_member *ctl_streams_find(const struct ctl_streams *s, uint32_t number);

// ---- streams_ask.c
void ctl_streams_answered(struct ctl_streams *s, struct tp_stream_client client,
	const struct tp_stream_counters *counters);
// Those that wait too long are answered without counters; UINT64_MAX: all of them.
void ctl_streams_ask_expire(struct ctl_streams *s, uint64_t now_ns);
uint64_t ctl_streams_ask_deadline(const struct ctl_streams *s);

// ---- streams_start.c
int ctl_streams_watch_children(struct ctl_streams *s);
void ctl_streams_start_missing(struct ctl_streams *s);
uint64_t ctl_streams_start_deadline(const struct ctl_streams *s);
// One has attached.
void ctl_streams_came(struct ctl_streams *s, pid_t pid);
// Ends those that were started and have not attached.
void ctl_streams_end_starting(struct ctl_streams *s);

// ---- streams_renew.c
// Goes on with an upgrade; without one, drains what is there beyond what is wanted.
void ctl_streams_renew_step(struct ctl_streams *s);
// An upgrade, if one is under way, is over.
void ctl_streams_renew_fail(struct ctl_streams *s, const char *why);
uint64_t ctl_streams_renew_deadline(const struct ctl_streams *s);

// ---- streams_far.c: TCP allocations (RFC 6062)
void ctl_streams_far_callbacks(struct ctl_stream_in *in);
// An attached process is gone: hears what it said last, and ends its connections with peers.
void ctl_streams_gone(struct ctl_streams_member *m);
// A message with which an attached one hands over a connection, with its socket, which is closed
// here. False: it is no such message.
bool ctl_streams_far_message(struct ctl_streams_member *m, const void *message, size_t length,
	const int *fds, size_t n_fds);

// ---- streams_socket.c
int ctl_streams_listen(struct ctl_streams *s);
// Forgets one, attached or not.
void ctl_streams_member_free(struct ctl_streams_member *m);
