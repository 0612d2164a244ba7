// SPDX-License-Identifier: BSD-3-Clause
// The two that a stream is attached to, by a socket in the run directory each: the dataplane and
// control. Either may be away; it is found again when its socket appears in the directory.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct stream;

enum stream_peer_name {
	STREAM_DATAPLANE,
	STREAM_CONTROL,
	STREAM_PEERS,
};

enum stream_peer_state {
	STREAM_PEER_AWAY,
	STREAM_PEER_GREETED, // hello was said
	STREAM_PEER_ATTACHED,
};

struct stream_peer {
	int fd;
	enum stream_peer_state state;
	uint64_t retry_ns; // when to try again; 0: when its socket appears
	uint32_t retries;  // left; a socket appears before somebody listens to it
	bool told;         // the log knows that it is away
	uint16_t refusal;  // the last one logged
	uint32_t busy;     // numbers that were taken
};

// Watches the run directory, draws a number for this process, tries both. 0 or -errno, logged.
int stream_peers_open(struct stream *s);
void stream_peers_close(struct stream *s);
void stream_peer_event(struct stream *s, enum stream_peer_name name);
void stream_peers_directory_event(struct stream *s);
// Tries again what is due. Returns when to come again; UINT64_MAX: never.
uint64_t stream_peers_retry(struct stream *s);
// Tells the dataplane that no new clients are taken.
void stream_peers_draining(struct stream *s);
