// SPDX-License-Identifier: BSD-3-Clause
// turnpike-bench load: N real TURN clients and one peer behind kernel sockets, numbered datagrams
// both ways, loss counted exactly. One thread, one epoll loop; works against any TURN server over
// UDP.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/addr.h"
#include "common/wire/stun.h"
#include "control/auth/integrity.h"

struct load_options {
	struct tp_addr server;
	struct tp_ip client_address; // where the clients' sockets are bound
	struct tp_ip peer_address;
	const char *client_namespace; // name below /run/netns, NULL: here
	const char *peer_namespace;
	const char *user, *password;
	uint32_t clients;
	uint32_t rate_pps; // datagrams a second, each client, each way
	uint32_t payload_bytes;
	uint32_t duration_s;      // of numbered traffic
	uint32_t refresh_every_s; // refreshes of allocations and channels; 0: none
	bool until_silence; // afterwards: refresh once more, then measure when each flow stops
	uint32_t silence_limit_s;
	const char *ready_file; // created when all channels are bound and traffic begins
	const char *progress;   // totals so far are appended there, NULL: none
	const char *json;       // result file, NULL: none
};

#define LOAD_NUMBER_BYTES 24 // magic, direction, client, sequence

// Numbered datagrams of one direction of one client, as the receiver sees them.
struct load_flow {
	uint64_t sent;
	uint64_t received; // each number once
	uint64_t duplicates;
	uint64_t damaged;
	uint64_t next;     // one past the highest number seen
	uint64_t seen[16]; // window of the last 1,024 numbers, by number modulo 1,024
	uint64_t last_ns;  // arrival of the last one
	uint64_t longest_gap_ns;
};

enum load_state {
	LOAD_IDLE, // nothing outstanding
	LOAD_ALLOCATE,
	LOAD_BIND,
	LOAD_REFRESH,
	LOAD_REBIND,
};

struct load_client {
	int sock;
	uint32_t number;
	enum load_state state;
	uint16_t channel;
	struct tp_addr relayed;
	bool bound;
	// the outstanding request
	uint8_t request[768];
	uint16_t request_bytes;
	uint8_t transaction[STUN_TRANSACTION_ID_BYTES];
	uint64_t resend_ns, rto_ns, give_up_ns;
	uint32_t tries; // after 401 and 438
	uint64_t refreshed_ns;
	uint32_t lifetime_s;
	struct load_flow up, down;
};

struct load {
	struct load_options options;
	struct load_client *clients;
	FILE *progress; // NULL: not wanted
	int peer_sock;
	struct tp_addr peer;
	int epoll;
	char realm[STUN_REALM_MAX_BYTES + 1];
	char nonce[STUN_NONCE_MAX_BYTES + 1];
	struct ctl_crypto *crypto;
	struct ctl_key key;
	bool have_key;
	uint32_t outstanding; // requests without an answer
	uint32_t bound;
	uint64_t requests, retransmissions, failures;
	char failure[160]; // the first one, for people
};

// netns.c: a bound UDP socket of a namespace, non-blocking. Descriptor or -errno.
int load_socket(const char *name_space, const struct tp_ip *address);

// session.c: requests of a client; each returns at once, answers come through load_session_input.
void load_session_allocate(struct load *l, struct load_client *c, uint64_t now_ns);
void load_session_refresh(struct load *l, struct load_client *c, uint64_t now_ns);
// A STUN datagram for this client.
void load_session_input(
	struct load *l, struct load_client *c, const uint8_t *data, size_t len, uint64_t now_ns);
// Retransmits what is due (RFC 8489 section 6.2.1, RTO capped at 2 s) and gives up after 90 s.
void load_session_tick(struct load *l, struct load_client *c, uint64_t now_ns);

// traffic.c
void load_send_up(struct load *l, struct load_client *c);
// Queues a datagram of the peer to this client's relayed address; _flush sends the batch.
void load_send_down(struct load *l, struct load_client *c);
void load_send_flush(struct load *l);
void load_receive_client(struct load *l, struct load_client *c, uint64_t now_ns);
void load_receive_peer(struct load *l, uint64_t now_ns);

// report.c
void load_report(const struct load *l, FILE *out);
// One line of JSON: what was sent and received so far, both ways, and CLOCK_MONOTONIC seconds.
void load_progress(const struct load *l, FILE *out);
int load_report_json(const struct load *l, const char *path);

// run.c: the whole; exit code 0 when nothing was lost, 1 otherwise or on an error.
int load_run(const struct load_options *options);

// main.c's table
int load_main(int argc, char **argv);
