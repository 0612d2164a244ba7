// SPDX-License-Identifier: BSD-3-Clause
// turnpike-bench load: N real TURN clients and one peer behind kernel sockets, numbered datagrams
// both ways, loss, order and latency of each; how many allocations a second; the highest rate
// without loss, and with a little. One thread, one epoll loop; works against any TURN server over
// UDP.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/load/histogram.h"
#include "common/base/addr.h"
#include "common/wire/stun.h"
#include "control/auth/integrity.h"

enum load_test {
	LOAD_TRAFFIC,     // at one rate
	LOAD_SEARCH,      // of the rates NDR and PDR
	LOAD_ALLOCATIONS, // 401 and Allocate, each client once
	LOAD_CYCLES, // 401, Allocate, CreatePermission, ChannelBind, Refresh to 0, again and again
	LOAD_ECHO,   // uplink at one rate to what sends every datagram back: no server, no requests
};

// Of what is no client's socket; those have the client's number.
#define LOAD_PEER_TAG         UINT32_MAX
#define LOAD_MEDIA_CLIENT_TAG (UINT32_MAX - 1)
#define LOAD_MEDIA_PEER_TAG   (UINT32_MAX - 2)

#define LOAD_UP   1
#define LOAD_DOWN 2

struct load_options {
	enum load_test test;
	uint32_t directions;       // LOAD_UP, LOAD_DOWN
	uint32_t at_a_time;        // clients whose requests are under way together
	uint32_t per_second;       // cycles begun at most; 0: as many as go
	uint32_t trial_s;          // of a search
	uint32_t max_pps;          // of a search, each way
	double ndr_loss, pdr_loss; // part of the datagrams that a rate may lose
	struct tp_addr server;
	struct tp_ip client_address; // where the clients' sockets are bound
	uint32_t client_port;        // of the first client, others follow; 0: any
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
	bool xdp;               // media by AF_XDP
};

#define LOAD_NUMBER_MAGIC UINT32_C(0x54704e31) // "TpN1"
#define LOAD_NUMBER_BYTES 32 // magic, direction, client, sequence, when it was sent

// Numbered datagrams of one direction of one client, as the receiver sees them.
struct load_flow {
	uint64_t sent;
	uint64_t received; // each number once
	uint64_t duplicates;
	uint64_t reordered; // RFC 4737: arrived behind one with a higher number
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
	LOAD_PERMIT,
	LOAD_END, // Refresh with lifetime 0
};

struct load_client {
	int sock;
	uint16_t port; // of the socket
	uint32_t number;
	enum load_state state;
	uint16_t channel;
	struct tp_addr relayed;
	bool bound;
	bool authenticated; // has a nonce; nonces may be bound to a client
	char nonce[STUN_NONCE_MAX_BYTES + 1];
	uint64_t began_ns; // its first request of a cycle
	// the outstanding request
	uint8_t request[768];
	uint16_t request_bytes;
	uint8_t transaction[STUN_TRANSACTION_ID_BYTES];
	uint64_t resend_ns, rto_ns, give_up_ns;
	uint32_t tries;      // after 401 and 438
	uint32_t mismatches; // answers 437
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
	struct load_media *media;             // by AF_XDP; NULL: by the sockets
	char realm[STUN_REALM_MAX_BYTES + 1]; // what `key` was made for
	struct ctl_crypto *crypto;
	struct ctl_key key;
	bool have_key;
	uint32_t outstanding; // requests without an answer
	uint32_t bound;
	uint32_t idle;   // LOAD_CYCLES: clients that have ended one and may begin the next
	uint32_t *ready; // their numbers
	uint64_t ticked_ns, refreshed_ns;     // when all clients were, last
	uint64_t pps;                         // datagrams a second, each way, of all clients
	uint64_t done;                        // allocations or cycles that were completed
	struct load_histogram setup;          // how long each of those took
	struct load_histogram up_ns, down_ns; // latencies
	uint64_t requests, retransmissions, failures;
	char failure[160]; // the first one, for people
};

// netns.c: into a namespace (NULL: stays), and back to what `home` was set to; 0 or -errno.
int load_enter(const char *name_space, int *home);
int load_return(int home);
// A bound UDP socket of a namespace, non-blocking. Descriptor or -errno.
int load_socket(const char *name_space, const struct tp_ip *ip, uint16_t port);

// clients.c: (re)opens the client's socket, so that it has another five-tuple. 0 or -errno.
int load_client_open(struct load *l, struct load_client *c);

// session.c: requests of a client; each returns at once, answers come through load_session_input.
void load_session_allocate(struct load *l, struct load_client *c, uint64_t now_ns);
void load_session_refresh(struct load *l, struct load_client *c, uint64_t now_ns);
// Ends the client's allocation.
void load_session_end(struct load *l, struct load_client *c, uint64_t now_ns);
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
void load_receive_client(struct load *l, struct load_client *c);
void load_receive_peer(struct load *l);
// A numbered datagram: what goes up, with its ChannelData header, and down.
void load_write_up(const struct load *l, const struct load_client *c, uint8_t *data);
void load_write_down(const struct load *l, const struct load_client *c, uint8_t *data);
// One that came to a client, to the peer.
void load_take_down(
	struct load *l, struct load_client *c, const uint8_t *data, size_t len, uint64_t now_ns);
void load_take_up(struct load *l, const uint8_t *data, size_t len, uint64_t now_ns);

// xdp_media.c: the same by AF_XDP. 0, -ENODEV: an address is no interface's, or -errno.
int load_media_open(struct load *l);
void load_media_close(struct load *l);
// Before anything is sent, when the clients have had answers. 0, -ENETUNREACH: nothing of the
// server came to the clients or to the peer, which asks it.
int load_media_find_ways(struct load *l);
void load_media_send_up(struct load *l, struct load_client *c);
void load_media_send_down(struct load *l, struct load_client *c);
void load_media_flush(struct load *l);
void load_media_receive(struct load *l, uint32_t tag);

// report.c
void load_report(const struct load *l, FILE *out);
// One line of JSON: what was sent and received so far, both ways, and CLOCK_MONOTONIC seconds.
void load_progress(const struct load *l, FILE *out);
int load_report_json(const struct load *l, const char *path);
// "latency_us": percentiles, mean and maximum of nanoseconds.
void load_report_latency(const struct load_histogram *h, FILE *out);

// live.c: a line a second for people on stderr.
struct load_live {
	uint64_t begin_ns, told_ns;
	uint64_t up, down, done; // received, completed then
};
void load_live_begin(struct load_live *live);
void load_live_tell(struct load_live *live, const struct load *l, uint64_t now_ns);

// rate.c: LOAD_ALLOCATIONS and LOAD_CYCLES. 0, -EIO when a request failed.
int load_rate(struct load *l);

// search.c: LOAD_SEARCH; the channels are bound. 0 or -errno.
int load_search(struct load *l);

// loop.c: what comes in, waits at most timeout_ms for it; what is due to be sent again.
void load_poll(struct load *l, int timeout_ms);
void load_tick(struct load *l, uint64_t now_ns);
// Numbered traffic for duration_ns, or until every flow was silent for two seconds.
void load_traffic(struct load *l, uint64_t duration_ns, bool until_silence);
// Waits for answers that are still due and for datagrams under way.
void load_drain(struct load *l);

// run.c: the whole; exit code 0 when nothing was lost, 1 otherwise or on an error.
int load_run(const struct load_options *options);

// main.c's table
int load_main(int argc, char **argv);
