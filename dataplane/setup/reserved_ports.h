// SPDX-License-Identifier: BSD-3-Clause
// Keeps the kernel from handing ports of the relay range to local programs: the range is merged
// into net.ipv4.ip_local_reserved_ports (one list for UDP and TCP, IPv4 and IPv6, of this network
// namespace) and exactly what was added is taken out again.
#pragma once

#include "dataplane/setup/port_set.h"

#define DP_RESERVED_PORTS_PATH "/proc/sys/net/ipv4/ip_local_reserved_ports"

// What to add so that [first, last] is reserved: the ports of the range that others do not reserve.
// `current` is the kernel's list, `left` what a crashed run of ours added to it (which is nobody
// else's).
void dp_reserved_ports_plan(const struct dp_port_set *current, const struct dp_port_set *left,
	uint16_t first, uint16_t last, struct dp_port_set *added);

// Reads the kernel's list. 0 or -errno.
int dp_reserved_ports_read(const char *path, struct dp_port_set *out);
// list = list - remove + add. 0 or -errno.
int dp_reserved_ports_change(
	const char *path, const struct dp_port_set *remove, const struct dp_port_set *add);
