// SPDX-License-Identifier: BSD-3-Clause
// Everything that turnpike-stream owns. One instance, created by main, passed first everywhere; one
// thread.
#pragma once

#include "common/base/clock.h"
#include "config/conf.h"
#include "control/stream/attach.h"
#include "control/stream/certificates.h"
#include "control/stream/connection.h"
#include "control/stream/counters.h"
#include "control/stream/dtls.h"
#include "control/stream/limit.h"
#include "control/stream/list.h"
#include "control/stream/peer.h"
#include "control/stream/relay.h"
#include "control/stream/slots.h"
#include "control/stream/table.h"

struct stream_tls; // tls.h

#define STREAM_INPUT_BYTES  16384 // one record of TLS
#define STREAM_RECORD_BYTES 16384

// What an event of epoll is about; the rest of its data is a number or an index.
enum stream_event {
	STREAM_EVENT_CONNECTION,
	STREAM_EVENT_LISTENER,
	STREAM_EVENT_PEER,
	STREAM_EVENT_DOWN,     // a worker's DOWN ring
	STREAM_EVENT_RESPONSE, // control's RESPONSE ring
	STREAM_EVENT_DIRECTORY,
	STREAM_EVENT_CERTIFICATES,
	STREAM_EVENT_SIGNAL,
	STREAM_EVENT_RELAY,         // a peer's socket, by CONNECTION-ID
	STREAM_EVENT_RELAYED_FIRST, // listener of an allocation, by its control connection
	STREAM_EVENT_RELAYED_SECOND,
};

// Deadlines of connections; each list is in the order of its deadlines, which all are as long.
enum stream_timer {
	STREAM_TIMER_PROXY,
	STREAM_TIMER_HANDSHAKE,
	STREAM_TIMER_FIRST,
	STREAM_TIMER_MESSAGE,
	STREAM_TIMER_IDLE, // of DTLS, where nothing else tells that a client is gone
	STREAM_TIMER_FINISH,
	STREAM_TIMER_BIND,
	STREAM_TIMERS,
};

struct stream_listener {
	int fd; // -1 when it takes nobody any more, or nobody over TCP
	struct tp_addr address;
	uint32_t transports; // enum conf_transport bits
	bool proxied;        // every client comes by a proxy
	uint64_t plain_logged_ns, stranger_logged_ns;
};

struct stream {
	struct conf *conf;
	uint32_t number; // of this process among streams
	int epoll_fd, signal_fd, inotify_fd;
	int spare_fd; // given up to take and close a client when there are no more descriptors
	bool stop, draining;
	uint64_t drained_ns; // when draining began
	uint64_t now_ns;     // of this turn
	struct stream_counters counters;
	uint64_t said_since_ns; // ends of clients in the log, this second
	uint32_t said;

	struct stream_listener listeners[CONF_MAX_LISTENERS];
	size_t n_listeners;
	struct stream_tls *tls;  // NULL: no listener speaks TLS
	struct stream_tls *dtls; // the same of DTLS
	struct stream_certificates certificates;
	struct stream_dtls_table dtls_table;
	struct stream_limit limit;
	struct stream_table table;

	struct stream_peer peers[STREAM_PEERS];
	bool has_media;
	struct stream_media media;
	bool has_control;
	struct stream_requests_rings control;
	uint32_t greeted;       // places of the table that a new control was told of
	bool greets;            // not all yet
	uint32_t pending_total; // requests that wait, of all connections
	uint32_t asked_total;   // that are not answered yet
	uint32_t control_tail;  // how far control had come, and when it did
	uint64_t control_moved_ns;
	bool response_fired; // its eventfd has to be drained
	uint16_t down_fired; // the same of DOWN rings, a bit each

	struct stream_list timers[STREAM_TIMERS];
	struct stream_list dirty;   // have something to send
	struct stream_list again;   // may have more to read than they were given time for
	struct stream_list waiting; // cannot go on before a ring has room
	struct stream_list talk;    // have something for control
	struct stream_list gone;    // places to free
	struct stream_list shaking; // DTLS handshakes, by when they were looked at

	struct stream_relays relays; // TCP allocations

	uint8_t input[STREAM_INPUT_BYTES];
	uint8_t record[STREAM_RECORD_BYTES];
	struct stream_slots_message down;
};

static_assert(TP_MAX_WORKERS <= 16);

static inline void stream_count(struct stream *s, enum stream_counter counter, uint64_t n)
{
	s->counters.value[counter] += n;
}

// Watches a descriptor; 0 or -errno. `n` comes back with each event.
int stream_watch(struct stream *s, int fd, uint32_t events, enum stream_event what, uint32_t n);

// ---- listen.c
int stream_listen(struct stream *s); // 0 or -errno, logged
void stream_accept(struct stream *s, uint32_t listener);
// Counts one client more of its source. False: that is too many.
bool stream_may_take(struct stream *s, const struct tp_addr *client);
void stream_unlisten(struct stream *s);
// Takes and closes one, when there are no descriptors left to take it with.
void stream_turn_away(struct stream *s, int listener_fd);

// ---- connection_proxy.c
// Whether a proxy at this address may say who its clients are.
bool stream_proxy_trusted(const struct conf *conf, const struct tp_ip *source);

// ---- media.c: ChannelData and indications, to and from the workers
void stream_media_attached(struct stream *s, struct stream_media *media);
void stream_media_detached(struct stream *s);
// One message of a client. 0, or -EAGAIN: no room.
int stream_media_up(
	struct stream *s, const struct stream_connection *c, const uint8_t *bytes, size_t length);
// Takes what workers sent, within a budget. True: there may be more.
bool stream_media_down(struct stream *s);
// A datagram to a DTLS client. One that finds no room is lost.
void stream_media_datagram(
	struct stream *s, const struct stream_dtls *d, const uint8_t *bytes, size_t length);
void stream_media_flush(struct stream *s);

// ---- requests.c: everything between clients and control
void stream_control_attached(struct stream *s, struct stream_requests_rings *rings);
void stream_control_detached(struct stream *s);
// One request of a client. 0; -EAGAIN: control has to take some first; -EMSGSIZE: longer than a
// note.
int stream_request(
	struct stream *s, struct stream_connection *c, const uint8_t *bytes, size_t length);
// Tells control of openings, requests and ends, as long as there is room.
void stream_requests_flush(struct stream *s);
// An answer (a STUN message) of control that came for it: what it answers is not asked again.
void stream_request_answered(struct stream *s, struct stream_connection *c, const uint8_t *response);
// Takes what control sent, within a budget. True: there may be more.
bool stream_responses(struct stream *s);
// Drops what waits of a connection.
void stream_pending_free(struct stream *s, struct stream_connection *c);

// ---- loop.c
int stream_loop_run(struct stream *s); // 0 after SIGTERM or the last client of a drain; -errno
void stream_drain(struct stream *s);
void stream_reload(struct stream *s);
