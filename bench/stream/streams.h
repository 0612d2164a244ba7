// SPDX-License-Identifier: BSD-3-Clause
// turnpike-bench stream: TURN clients over TCP or TLS and one UDP peer behind kernel sockets, and
// what a server spends on them. One thread, one epoll; works against any TURN server.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/addr.h"
#include "common/wire/stun.h"
#include "control/auth/integrity.h"

#define STREAMS_PIDS          8
#define STREAMS_PAYLOAD_LEAST 24 // client, number, when it was sent
#define STREAMS_PAYLOAD_MOST  1400
#define STREAMS_CARRY_BYTES   2048 // of a message that is not whole yet

enum streams_mode {
	STREAMS_RELAY,      // media
	STREAMS_HANDSHAKES, // TLS connections that open and close
	STREAMS_IDLE,       // TLS connections that stay
	STREAMS_ALONE,      // handshakes of OpenSSL in memory, without a server
};

struct streams_options {
	enum streams_mode mode;
	struct tp_addr server;
	struct tp_ip client_address; // where the clients' sockets are bound
	struct tp_ip peer_address;
	const char *client_namespace; // name below /run/netns, NULL: here
	const char *peer_namespace;
	const char *user, *password;
	bool tls;
	bool up, down; // directions
	bool resume;   // handshakes: by the ticket of the first one
	uint32_t clients;
	uint32_t rate_pps; // datagrams a second, each client, each direction; 0: as fast as they
			   // arrive
	uint32_t window;   // with rate 0: datagrams under way, all clients together
	uint32_t payload_bytes;
	uint32_t duration_s;
	uint32_t handshakes;    // HANDSHAKES: how many, `clients` at a time
	uint32_t deaf;          // clients that do not read once their channel is bound
	const char *ready_file; // created when traffic begins
	int pids[STREAMS_PIDS]; // of the server, whose CPU time and memory are measured
	uint32_t n_pids;
};

// Datagrams of one direction of one client; they arrive in order or not at all.
struct streams_flow {
	uint64_t sent, received, next;
	uint64_t wrong; // damaged, or not in order
};

enum streams_state {
	STREAMS_CONNECTS,
	STREAMS_SHAKES,
	STREAMS_BINDING, // IDLE's one request
	STREAMS_ALLOCATE,
	STREAMS_BIND,
	STREAMS_OPEN,
	STREAMS_ENDS, // has said that it ends, waits for the server
	STREAMS_CLOSED,
};

struct streams_client {
	uint32_t number;
	int sock;
	SSL *ssl;
	BIO *out; // what the socket did not take yet
	enum streams_state state;
	bool deaf, blocked;
	uint16_t channel;
	uint16_t carried;
	uint32_t tries; // after 401
	struct tp_addr relayed;
	uint8_t transaction[STUN_TRANSACTION_ID_BYTES];
	struct streams_flow up, down;
	uint8_t carry[STREAMS_CARRY_BYTES];
};

// Times in buckets of 1/16 of an octave of nanoseconds.
#define STREAMS_BUCKETS (64 * 16)
struct streams_times {
	uint64_t count[STREAMS_BUCKETS], total, most_ns;
};

// What the server spent, and what had arrived, at one moment.
struct streams_spent {
	uint64_t now_ns, reached_up, reached_down;
	uint64_t cpu_ns[STREAMS_PIDS];
	uint64_t memory_bytes[STREAMS_PIDS]; // proportional set size
};

struct streams {
	struct streams_options options;
	struct streams_client *clients;
	int epoll, peer_sock;
	struct tp_addr peer;
	SSL_CTX *tls;
	SSL_SESSION *ticket;
	struct ctl_crypto *crypto;
	struct ctl_key key;
	bool have_key;
	char realm[STUN_REALM_MAX_BYTES + 1], nonce[STUN_NONCE_MAX_BYTES + 1];
	uint32_t open, closed; // now; ends that nobody asked for
	uint64_t done;         // handshakes
	uint64_t resumed;
	uint64_t reached_up, reached_down; // by all clients that read
	uint64_t sent_up, sent_down;
	struct streams_times up_times, down_times;
	char failure[160]; // the first one
};

// main.c's table
int streams_main(int argc, char **argv);
int streams_run(const struct streams_options *options);

// socket.c: a bound non-blocking socket of a namespace, SOCK_DGRAM or SOCK_STREAM. Descriptor or
// -errno.
int streams_socket(const char *name_space, const struct tp_ip *address, int type);

// connection.c: from connect to close, and messages in both directions.
void streams_fail(struct streams *s, const struct streams_client *c, const char *what, int code);
int streams_connect(struct streams *s, struct streams_client *c); // 0 or -errno
void streams_event(struct streams *s, struct streams_client *c, uint32_t events);
// Queues one message; _flush sends.
void streams_send(struct streams_client *c, const void *bytes, size_t length);
void streams_flush(struct streams *s, struct streams_client *c);
void streams_end(struct streams *s, struct streams_client *c); // says that it ends
void streams_close(struct streams *s, struct streams_client *c);

// session.c: requests. A stream loses none, so each is sent once.
void streams_request(struct streams *s, struct streams_client *c, enum streams_state state);
void streams_answer(
	struct streams *s, struct streams_client *c, const uint8_t *bytes, size_t length);

// traffic.c
void streams_send_up(struct streams *s, struct streams_client *c);
void streams_send_down(struct streams *s, struct streams_client *c); // in batches
void streams_send_down_flush(struct streams *s);
void streams_take_down(
	struct streams *s, struct streams_client *c, const uint8_t *payload, size_t length);
void streams_receive_peer(struct streams *s);

// spent.c
void streams_spent_now(const struct streams *s, struct streams_spent *out);
void streams_times_add(struct streams_times *t, uint64_t ns);
double streams_times_ms(
	const struct streams_times *t, double share); // 0.99: of that share, at most

// alone.c: STREAMS_ALONE; the CPU time of the server's side, as of the first process of a server.
int streams_alone(struct streams *s, struct streams_spent *before, struct streams_spent *after);

// report.c: one JSON object.
void streams_report(const struct streams *s, const struct streams_spent *before,
	const struct streams_spent *after, FILE *out);
