// SPDX-License-Identifier: BSD-3-Clause
// turnpike-bench cycles: lives of allocations by real requests over real sockets, some at a time,
// one after the other for as long as it is told: 401, Allocate, CreatePermission, ChannelBind, one
// datagram there and back, Refresh 0. A share of them takes each way on which a request is refused.
// One thread, one epoll loop; lost requests are sent again, so servers may die meanwhile.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/addr.h"
#include "common/wire/stun.h"
#include "control/auth/integrity.h"

struct cycles_options {
	struct tp_addr server;
	struct tp_ip client_address, peer_address;
	const char *client_namespace, *peer_namespace; // below /run/netns, NULL: here
	const char *user, *password;
	const char *quota_user,
		*quota_password; // whose quota is used up; NULL: this way is not taken
	uint64_t cycles;
	uint32_t at_a_time;
};

// One request or exchange, and what it has to end with.
enum cycle_step {
	CYCLE_DONE,
	CYCLE_ASK,       // Allocate without credentials: 401
	CYCLE_WRONG,     // with a wrong password: 401
	CYCLE_QUOTA,     // by the user whose quota is used up: 486
	CYCLE_TRANSPORT, // of a transport that is not relayed: 442
	CYCLE_NOTHING,   // Refresh of no allocation: 437
	CYCLE_ALLOCATE,
	CYCLE_TWICE, // Allocate once more: 437
	CYCLE_PERMIT,
	CYCLE_BIND,
	CYCLE_ECHO,
	CYCLE_FREE,  // Refresh 0
	CYCLE_LEAVE, // the socket is closed, the allocation expires by itself
	CYCLE_STEPS,
};

enum cycle_way {
	CYCLE_PLAIN,
	CYCLE_WRONG_PASSWORD,
	CYCLE_QUOTA_USED_UP,
	CYCLE_WRONG_TRANSPORT,
	CYCLE_NO_ALLOCATION,
	CYCLE_SECOND_ALLOCATE,
	CYCLE_EXPIRES,
	CYCLE_WAYS,
};

struct cycle {
	int sock;
	uint64_t number;
	enum cycle_way way;
	uint32_t at; // step of the way
	bool busy, resent;
	bool fresh; // its socket has had no allocation yet
	char realm[STUN_REALM_MAX_BYTES + 1], nonce[STUN_NONCE_MAX_BYTES + 1];
	uint8_t message[768]; // outstanding
	size_t length;
	uint8_t transaction[STUN_TRANSACTION_ID_BYTES];
	uint64_t resend_ns, rto_ns, give_up_ns;
};

struct cycles {
	struct cycles_options options;
	struct cycle *cycle; // at_a_time
	int peer_sock, epoll;
	struct tp_addr peer;
	struct ctl_crypto *crypto;
	uint64_t begun, done;
	uint64_t ways[CYCLE_WAYS]; // ended as they should
	uint64_t requests, retransmissions, unexpected, ports_met_again;
	char failure[160]; // the first one
};

const char *cycle_way_name(enum cycle_way way);

// step.c: the next cycle of this place, from a socket of its own where the last one is in use.
int cycle_begin(struct cycles *c, struct cycle *p, uint64_t now_ns);
// What its socket received.
void cycle_input(struct cycles *c, struct cycle *p, const uint8_t *data, size_t n, uint64_t now_ns);
// Sends again what is due; gives up after two minutes.
void cycle_tick(struct cycles *c, struct cycle *p, uint64_t now_ns);

// run.c: exit code.
int cycles_run(const struct cycles_options *options);

// main.c's table
int cycles_main(int argc, char **argv);
