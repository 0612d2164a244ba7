// SPDX-License-Identifier: BSD-3-Clause
// What the files of the management thread share. One thread: nothing here is atomic.
#pragma once

#include <sys/epoll.h>
#include <sys/stat.h>

#include "common/abi/cmd.h"
#include "common/abi/health.h"
#include "common/abi/memory.h"
#include "common/abi/region.h"
#include "common/abi/shm_map.h"
#include "common/abi/stream.h"
#include "common/base/beat.h"
#include "dataplane/manage/manage.h"
#include "dataplane/path/moves.h"

// Streams and control keep their places, so some are always left for the others.
#define MANAGE_MAX_CLIENTS (64 + TP_STREAM_PLACES)
// Seconds that a connection may take for its greeting.
#define MANAGE_GREETING_S 5
// Messages that one client is served in a turn of the loop, commands and re-resolved flows the
// same.
#define MANAGE_MESSAGES_PER_TURN 8
#define MANAGE_COMMANDS_PER_TURN 256
#define MANAGE_RESOLVE_PER_TURN  2048
#define MANAGE_MOVES_PER_TURN    64

enum manage_client_state {
	MANAGE_CLIENT_FREE,
	MANAGE_CLIENT_GREETING,
	MANAGE_CLIENT_STATUS,
	MANAGE_CLIENT_CONTROL,
	MANAGE_CLIENT_STREAM,
};

// The rings of one attachment of a stream process. Lives on like those of control.
struct manage_stream {
	uint32_t stream;
	uint32_t flags; // TP_STREAM_*, as it said last
	struct tp_shm rings;
	struct dp_stream_link link[TP_MAX_WORKERS];
	int event_fd;   // wakes the stream
	uint64_t token; // QSBR, once retired
	struct manage_stream *next;
};

struct manage_client {
	enum manage_client_state state;
	int fd;
	uint32_t pid; // as the kernel knows it, not as the client says
	uint64_t since_tick;
	uint64_t last_message; // of m->messages; the smallest gives way when all places are taken
	struct manage_stream *stream;            // attached as one, or NULL
	uint32_t probe_round;                    // what it waits for
	uint64_t probe_since_ns, probe_until_ns; // 0: it waits for no probe
};

// The rings of one attachment of control. Lives on after the detachment until no worker can hold
// its links.
struct manage_attachment {
	struct tp_shm rings;
	struct tp_ring command; // consumer
	struct tp_ring ack;     // producer
	struct dp_control_link link[TP_MAX_WORKERS];
	int event_fds[TP_ATTACHED_MAX_FDS];
	bool event_fd_ours[TP_ATTACHED_MAX_FDS]; // others belong to their worker
	uint16_t n_event_fds;
	uint64_t token; // QSBR, once retired
	struct manage_attachment *next;
};

struct dp_manage {
	struct dp *dp;
	int epoll_fd, listen_fd, timer_fd, signal_fd;
	char *socket_path; // once it is bound
	struct tp_shm region;
	struct tp_region_shape shape; // of it
	bool region_kept;             // since the run before
	bool holder_there;            // `holder` is the file of its socket when it got the region
	struct stat holder;
	struct dp_moves_wake moves;
	bool moves_left; // more than a turn's worth, or no room to tell control
	struct manage_client clients[MANAGE_MAX_CLIENTS];
	struct manage_client *control; // attached client or NULL
	struct manage_attachment *attached;
	struct manage_attachment *retired; // wait for the workers
	struct manage_stream *retired_streams;
	uint64_t streams_attached; // so far
	uint64_t control_since_ns;
	uint64_t ticks, messages;
	uint64_t commands, commands_refused;
	uint64_t resolved_generation; // flows stand as of this one, or are being brought there
	bool resolving;
	bool acks_full; // commands wait until control takes its acknowledgements
	bool asleep;    // the command ring's producer knows to wake us
	bool stop;
	uint32_t quarters; // of a second, since the last tick
	struct tp_beat_watch control_watch, worker_watch[TP_MAX_WORKERS];
	uint32_t probe_round;
	uint16_t n_probing; // clients
};

// What an epoll event is about: kind in the upper half, client in the lower.
enum manage_event {
	MANAGE_EVENT_LISTEN = 1,
	MANAGE_EVENT_TIMER,
	MANAGE_EVENT_SIGNAL,
	MANAGE_EVENT_NET,
	MANAGE_EVENT_COMMAND,
	MANAGE_EVENT_MOVES,
	MANAGE_EVENT_CLIENT,
};
int dp_manage_watch(struct dp_manage *m, int fd, enum manage_event kind, uint32_t index);

// ---- listen.c
int dp_manage_listen(struct dp_manage *m);
void dp_manage_unlisten(struct dp_manage *m);

// ---- client.c
void dp_manage_accept(struct dp_manage *m);
void dp_manage_client_readable(struct dp_manage *m, uint32_t index, uint32_t events);
void dp_manage_client_close(struct dp_manage *m, struct manage_client *client);
void dp_manage_clients_tick(struct dp_manage *m);

// ---- region.c
// Takes the region that dp->kept_region_fd names, which is closed unless it is used, or makes one.
int dp_manage_region_create(struct dp_manage *m);
// Before a control of another version attaches: the region is one with its records from now on, in
// their layout (common/abi/region.h). 0; -errno, logged: it is what it was.
int dp_manage_region_convert(struct dp_manage *m, uint32_t alloc_record_bytes);
// What the dataplane writes of the header, for every control anew: one that went mad may have
// written over it.
void dp_manage_region_head(struct dp_manage *m);
// Gives the workers the key that control signs nonces with; the last one stays while none is
// attached.
void dp_manage_nonce_key(struct dp_manage *m);

// ---- hold.c
// Gives the region to the holder of the configuration. 0 or -errno,
// logged: without it the configuration's promise would be empty.
int dp_manage_region_hold(struct dp_manage *m);
// m->region has taken the place of another one, which the holder lets go only once it has this one.
// 0 or -errno, logged.
int dp_manage_region_replace(struct dp_manage *m);
// Once a second: again, when the holder is another one.
void dp_manage_region_hold_again(struct dp_manage *m);

// ---- attach.c
// Fresh rings for this client, sent to it and published to the workers. 0, -ENOMEM or -errno.
int dp_manage_attach(struct dp_manage *m, struct manage_client *client);
// Executes what the old control still ordered, takes its rings from the workers.
void dp_manage_detach(struct dp_manage *m);
// Frees retired attachments that no worker can hold any more.
void dp_manage_reclaim(struct dp_manage *m, bool workers_stopped);

// ---- stream.c
// Fresh rings for this client, sent to it and published to the workers; its place is free. 0,
// -ENOMEM or -errno.
int dp_manage_stream_attach(
	struct dp_manage *m, struct manage_client *client, const struct tp_stream_hello *hello);
// Takes a client's rings from the workers, if it has any.
void dp_manage_stream_detach(struct dp_manage *m, struct manage_client *client);
// Who has the place of this stream, NULL: nobody.
struct manage_client *dp_manage_stream_at(struct dp_manage *m, uint32_t stream);
// Takes a TP_MSG_STREAM_STATE. False: it is none, or of no stream.
bool dp_manage_stream_state(
	const struct dp_manage *m, struct manage_client *client, const void *bytes, size_t length);
// As dp_manage_reclaim.
void dp_manage_streams_reclaim(struct dp_manage *m, bool workers_stopped);

// ---- command.c
// Executes at most a turn's worth of commands. True when more are waiting that could be executed.
bool dp_manage_commands(struct dp_manage *m);
// Executes all that is in the ring now; nobody is left to be told the results.
void dp_manage_commands_drain(struct dp_manage *m);

// ---- moves.c
int dp_manage_moves_open(struct dp_manage *m);
void dp_manage_moves_close(struct dp_manage *m);
// Completes the moves whose clients have arrived, and tells control.
void dp_manage_moves(struct dp_manage *m);

// ---- beat.c
// Four times a second: our beat and the workers' into the region; who hangs and who is back is said
// once.
void dp_manage_beat(struct dp_manage *m, uint64_t now_ns);
// 0: it has not beaten since it attached.
uint64_t dp_manage_control_beat(const struct dp_manage *m);
void dp_manage_beat_attach(struct dp_manage *m);

// ---- probe.c
// Begins what a TP_MSG_PROBE asks for. False: it is none.
bool dp_manage_probe(struct dp_manage *m, struct manage_client *client, const void *bytes,
	size_t length, uint64_t now_ns);
void dp_manage_probe_forget(struct dp_manage *m, struct manage_client *client);
// Answers those whose probes are done or whose time is up; costs nothing when nobody waits.
void dp_manage_probes(struct dp_manage *m, uint64_t now_ns);
// Until the next one's time is up, -1: nobody waits.
int dp_manage_probes_timeout(const struct dp_manage *m, uint64_t now_ns);

// ---- memory.c
// Measures this process. 0 or -errno, logged.
int dp_manage_memory(const struct dp_manage *m, struct tp_memory_reply *out);

// ---- status.c
void dp_manage_status(struct dp_manage *m, struct tp_status_reply *out, uint64_t now_ns);
uint16_t dp_manage_workers_late(const struct dp_manage *m, uint64_t now_ns);
