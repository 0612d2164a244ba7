// SPDX-License-Identifier: BSD-3-Clause
// Netlink sockets: requests with their answers, dumps, events. Knows nothing of the tables.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <linux/netlink.h>

#include "common/base/addr.h"

#define NET_RECEIVE_BYTES 65536

struct net_socket {
	int fd; // -1 closed
	uint32_t sequence;
	char *buffer; // NET_RECEIVE_BYTES
};

typedef void (*net_apply_fn)(void *context, const struct nlmsghdr *message);

// `groups`: RTNLGRP_* to join, 0 ends the list. Events are read without blocking, answers with a
// time limit. 0 or -errno.
int dp_net_socket_open(struct net_socket *s, const int groups[], bool blocking);
void dp_net_socket_close(struct net_socket *s);

// Sends one request that asks for an acknowledgement and reads until that; other messages of the
// answer go to `apply` (may be NULL). 0 or the kernel's -errno.
int dp_net_socket_request(
	struct net_socket *s, struct nlmsghdr *request, net_apply_fn apply, void *context);
// One dump: every message to `apply`. 0; -EINTR when the kernel's tables changed under it; -errno.
int dp_net_socket_dump(
	struct net_socket *s, uint16_t type, uint8_t family, net_apply_fn apply, void *context);
// Reads at most `max` datagrams of events. 0 when nothing more is there, 1 when there may be more,
// -ENOBUFS when the kernel had to throw some away, -errno.
int dp_net_socket_events(struct net_socket *s, uint32_t max, net_apply_fn apply, void *context);

// ---- ask.c: have the kernel resolve a neighbour and keep it so (kernel 5.16; resolve once
// before), no longer keep it, tell its state.
int dp_net_ask_keep(struct net_socket *s, uint32_t ifindex, const struct tp_ip *ip);
int dp_net_ask_drop(struct net_socket *s, uint32_t ifindex, const struct tp_ip *ip);
int dp_net_ask_state(struct net_socket *s, uint32_t ifindex, const struct tp_ip *ip,
	net_apply_fn apply, void *context);
