// SPDX-License-Identifier: BSD-3-Clause
// Sockets of other programs that stand where the relay's traffic goes: found in /proc/net/udp{,6}.
#pragma once

#include "common/base/addr.h"
#include "config/conf.h"

struct dp_held {
	struct tp_addr at; // unspecified address: bound to every address
	uint64_t inode;
};

// Reads one line of /proc/net/udp (4) or udp6 (6). 0, or -EINVAL when it is none (the heading).
int dp_held_parse(const char *line, int family, struct dp_held *out);
// Whether a socket at `held` receives what is sent to `ip`: bound to it or to every address.
bool dp_held_covers(const struct dp_held *held, const struct tp_ip *ip);

// Names programs in the relay range (a warning: their traffic is ours now) and at UDP listeners.
// 0, or -EADDRINUSE when a listener is taken, logged.
int dp_port_holders_check(const struct conf *conf);
