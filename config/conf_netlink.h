// SPDX-License-Identifier: BSD-3-Clause
// The three questions that conf_host asks the kernel over rtnetlink. No privileges needed.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/addr.h"

struct conf_link {
	char name[16];
	uint32_t index;
	uint32_t master; // bond or bridge that it belongs to, or 0
	uint32_t lower;  // of a VLAN: the interface below, else 0
	bool loopback, dummy;
};

struct conf_route {
	uint32_t index;      // outgoing interface of the entry
	uint8_t prefix_bits; // of the entry that matched
	bool local;          // the host answers for it
};

// A descriptor to ask with, closed by close(), or -errno.
int conf_netlink_open(void);

// By name, or by `index` when name is NULL. 0, -ENODEV or -errno.
int conf_netlink_link(int sock, const char *name, uint32_t index, struct conf_link *out);

// The routing entry that this address matches. 0, -ENETUNREACH or -errno.
int conf_netlink_route(int sock, const struct tp_ip *ip, struct conf_route *out);
