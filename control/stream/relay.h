// SPDX-License-Identifier: BSD-3-Clause
// TCP allocations (RFC 6062): listening on relayed transport addresses, connections with peers from
// there, and, once one is bound to a client data connection, bytes between both. Control decides
// everything else (common/abi/stream.h, "far"). All functions are of the loop's thread.
#pragma once

#include "common/abi/stream.h"
#include "control/stream/list.h"
#include "control/stream/rate.h"

struct stream;
struct stream_connection;
struct stream_share;

// What a control connection has here for its allocation.
struct stream_relayed {
	struct stream_connection *owner;
	struct {
		int fd; // -1: none
		struct tp_addr address;
		bool paused; // not accepted from: too many came that control has not judged
	} listener[2];
	uint32_t unjudged;
	bool listened_due;
	int listened_error;
	struct stream_list relays; // connections with peers that are not bound
};

// One direction of a bound connection: what was read and is not written yet. Bounded by what is
// read at once; nothing more is read before it is gone.
struct stream_pipe {
	uint8_t *bytes;
	uint32_t length, sent;
	bool ended;     // its source says nothing more
	bool shut;      // and its sink was told
	uint64_t total; // bytes written, since the beginning
	uint64_t told;  // of these, control knows

	struct stream_rate *rate; // bound: shared with others of the allocation
	bool held;                // its source is not read because of the rate
};

// A connection with a peer.
struct stream_relay {
	struct stream_relay *next; // of its bucket
	uint32_t id;
	int fd;        // -1: it is over, and stays until control was told
	uint8_t state; // enum tp_stream_far_state
	bool known;    // control was told of it, or told us
	uint16_t due;  // notes, bits of enum stream_relay_due
	int error;
	struct tp_stream_client owner;
	struct stream_relayed *of;        // not bound: in its list
	struct stream_connection *client; // bound
	struct tp_addr address, peer;
	uint8_t transaction_id[12];
	uint64_t rate_bytes_per_s;

	struct stream_pipe up, down; // client to peer, peer to client
	bool blocked;                // the peer takes no more
	uint32_t events;             // that epoll watches
	bool watched;

	uint64_t since_ns;
	struct stream_link timer; // of its connecting, its waiting, or its bytes that are not told
	struct stream_link talk;  // has something for control
	struct stream_link of_link; // of stream_relayed.relays

	struct stream_share *share; // bound
	struct stream_link hold;    // one way or both are held
	uint64_t held_ns;
};

enum stream_relay_due {
	STREAM_RELAY_DUE_CAME = 1,
	STREAM_RELAY_DUE_CONNECTED = 2,
	STREAM_RELAY_DUE_IS = 4,
	STREAM_RELAY_DUE_BYTES = 8,
	STREAM_RELAY_DUE_GONE = 16,
};

enum stream_relay_timer {
	STREAM_RELAY_TIMER_CONNECT,
	STREAM_RELAY_TIMER_WAIT,  // for its ConnectionBind
	STREAM_RELAY_TIMER_BYTES, // to be told
	STREAM_RELAY_TIMER_CLOSE, // what is left is to be written
	STREAM_RELAY_TIMERS,
};

#define STREAM_RELAY_BUCKETS 4096
#define STREAM_SHARE_BUCKETS 512

struct stream_relays {
	struct stream_relay *bucket[STREAM_RELAY_BUCKETS]; // by id, which is random
	uint32_t count;                                    // with those that are over
	struct stream_list timers[STREAM_RELAY_TIMERS];
	struct stream_list talk;
	struct stream_share *share[STREAM_SHARE_BUCKETS]; // by owner
	struct stream_list held;                          // the first is the next to be tried
};

void stream_relays_init(struct stream *s);
void stream_relays_close(struct stream *s);

// ---- relay.c: their lives

struct stream_relay *stream_relay_find(const struct stream *s, uint32_t id);
// A new one, in no list. NULL without memory, or when there are as many as there may be.
struct stream_relay *stream_relay_new(struct stream *s, uint32_t id);
// Of one that control believes to be here and that is not: tells it so, as soon as there is room,
// with an errno as the answer to FAR_CONNECT.
void stream_relay_deny(struct stream *s, const struct tp_stream_far *said, int error);
// Belongs to an allocation from now on, until it is bound.
void stream_relay_join(struct stream_relay *r, struct stream_relayed *of);
void stream_relay_time(struct stream *s, struct stream_relay *r, enum stream_relay_timer timer);
// Tells control, when there is room.
void stream_relay_tell(struct stream *s, struct stream_relay *r, enum stream_relay_due what);
// Forgets one that is over.
void stream_relay_forget(struct stream *s, struct stream_relay *r);
// Over at once: both sides see that it was cut, not that it ended.
void stream_relay_cut(struct stream *s, struct stream_relay *r);
// Over at once, by a close of the peer's socket; its client's is the caller's business.
void stream_relay_end(struct stream *s, struct stream_relay *r);
// Ends those whose time is up. Returns when to look again, UINT64_MAX: never.
uint64_t stream_relays_expire(struct stream *s);
// The control connection is gone.
void stream_relayed_free(struct stream *s, struct stream_connection *owner);

// ---- relay_listen.c: sockets with a relayed transport address

void stream_relay_listen(
	struct stream *s, struct stream_connection *owner, const struct tp_stream_listen *said);
void stream_relay_accept(struct stream *s, uint32_t owner, int which);
// Control has judged one that came.
void stream_relay_judged(struct stream *s, struct stream_relayed *of);
void stream_relay_connect(struct stream *s, const struct tp_stream_far *said);
// Connected, or failed.
void stream_relay_connect_event(struct stream *s, struct stream_relay *r);

// ---- relay_forward.c: bytes

// Binds it; `response` is sent to the client before anything of the peer's.
void stream_relay_bind(struct stream *s, struct stream_relay *r, struct stream_connection *client,
	const void *response, size_t length);
// What epoll said of the peer's socket.
void stream_relay_event(struct stream *s, uint32_t id, uint32_t events);
// Moves what can be moved, both ways; ends it when both ways are at their end.
void stream_relay_pump(struct stream *s, struct stream_relay *r);
// Nothing more is read; it ends when what was read is written.
void stream_relay_finish(struct stream *s, struct stream_relay *r);

// ---- relay_rate.c: quotas.bits_per_second_per_allocation

// Bound: it has a part in the rate of its owner from now on, which becomes its own. False: no
// memory.
bool stream_relay_share(struct stream *s, struct stream_relay *r);
// Of all that are bound, after a reload. 0: unlimited.
void stream_relays_rate(struct stream *s, uint64_t bytes_per_s);
// Bound no more.
void stream_relay_leave(struct stream *s, struct stream_relay *r);
// Something is too fast: it is tried again in a while.
void stream_relay_hold(struct stream *s, struct stream_relay *r);
// Tries those again that waited for it. Returns when to look again, UINT64_MAX: never.
uint64_t stream_relays_release(struct stream *s);

// ---- relay_notes.c: control

// Tells control what is due. False: no room.
bool stream_relays_talk(struct stream *s);
// What control said (LISTEN, UNLISTEN, FAR_*).
void stream_relay_note(
	struct stream *s, uint16_t kind, uint32_t connection, const void *payload, size_t length);
// A socket that control handed over, which is taken.
void stream_relay_handed(struct stream *s, const struct tp_stream_far *far, int fd);
// A new control is told of all of them.
void stream_relays_attached(struct stream *s);
// A FAR_BYTES that control did not take.
void stream_relay_take_back(struct stream *s, const struct tp_stream_far *said);
