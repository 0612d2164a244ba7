// SPDX-License-Identifier: BSD-3-Clause
// The stream processes: their attachments at RUN_DIRECTORY/streams.sock, the allocations of their
// clients when connections or whole processes go, and their starts. A process outlives control and
// attaches to the next one by itself. Loop thread only. `s` may be NULL wherever there is nothing
// to do then.
#pragma once

#include "control/ctl.h"
#include "control/io/stream_in.h"

#define CTL_STREAM_GRACE_S 5 // for a process to come back, with its clients

struct ctl_streams;

// How many processes this configuration wants started; 0: none, or somebody else does it.
uint32_t ctl_streams_wanted(const struct conf *conf);

// Listens; `listener` > 0: takes the socket of the control before. 0 or -errno.
int ctl_streams_create(struct ctl *ctl, int listener, struct ctl_streams **out);
void ctl_streams_destroy(struct ctl_streams *s);

// One round: starts what is missing; with `accepts` requests are taken and allocations ended (as
// by then there is room for commands). True when there is more to do at once.
bool ctl_streams_work(struct ctl_streams *s, bool accepts);
void ctl_streams_flush(struct ctl_streams *s);
// As ctl_session_sleep, _wake and _deadline, of which they are parts.
bool ctl_streams_sleep(struct ctl_streams *s);
void ctl_streams_wake(struct ctl_streams *s);
uint64_t ctl_streams_deadline(const struct ctl_streams *s);

void ctl_streams_send(struct ctl_streams *s, const struct ctl_reply_to *reply_to,
	const uint8_t *bytes, size_t length);

// Tells the process of `to` something (ctl_turn_tell_fn).
bool ctl_streams_tell(struct ctl_streams *s, enum tp_stream_note_kind kind,
	struct tp_stream_client to, const void *payload, size_t length);

// The configuration was read again: the processes are told to do the same.
void ctl_streams_reload(struct ctl_streams *s, const struct conf *conf);
// Control ends for good: the processes that it started, or would start, end too (SIGTERM).
void ctl_streams_stop(struct ctl_streams *s);

// `turnpikectl upgrade streams`: the next generation takes the place of the processes that there
// are, which keep their clients. Answers `call` when it serves, or will not.
struct ctl_call;
void ctl_streams_renew(struct ctl_streams *s, struct ctl_call *call);

// For an upgrade of control: lets go of all processes, which attach to whoever listens next; back
// again.
int ctl_streams_listener(const struct ctl_streams *s);
void ctl_streams_pause(struct ctl_streams *s);
void ctl_streams_resume(struct ctl_streams *s);
void ctl_streams_disown(struct ctl_streams *s);

struct ctl_streams_view {
	uint32_t wanted; // 0: somebody else starts them
	uint32_t attached, ready;
	uint64_t clients;
	uint64_t starts; // by this control
};
void ctl_streams_look(const struct ctl_streams *s, struct ctl_streams_view *out);

struct ctl_stream_view {
	uint32_t number, pid, clients;
	bool ready, draining;
};
// The attached one number `i`; false beyond the last.
bool ctl_streams_entry(const struct ctl_streams *s, uint32_t i, struct ctl_stream_view *out);
// A connection that is announced, or NULL. Good until the loop comes round.
const struct ctl_stream_client *ctl_streams_client(
	const struct ctl_streams *s, struct tp_stream_client client);
// Asks the process of a connection what did not reach it. `done` is called once, before or after
// this returns; NULL: it is not known, or did not answer in time.
typedef void (*ctl_streams_asked_fn)(void *context, const struct tp_stream_counters *counters);
void ctl_streams_ask(struct ctl_streams *s, struct tp_stream_client client,
	ctl_streams_asked_fn done, void *context);
const struct ctl_stream_counters *ctl_streams_counters(const struct ctl_streams *s);
