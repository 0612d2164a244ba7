// SPDX-License-Identifier: BSD-3-Clause
// XDP programs on interfaces: ours, left over from a crash, and other people's.
#pragma once

#include <stdint.h>

#define DP_XDP_NAME_BYTES 16

// A program as it was seen while the process could still read names; id 0: none.
struct dp_xdp_seen {
	uint32_t id;
	char name[DP_XDP_NAME_BYTES];
};

// Id of the program attached to the interface in any mode, 0 for none. 0 or -errno.
int dp_xdp_attached(uint32_t ifindex, uint32_t *prog_id);

// Id and name of the program on an interface. Reading the name takes CAP_SYS_ADMIN: none is seen
// without it.
struct dp_xdp_seen dp_xdp_look(uint32_t ifindex);

// Detaches what a crashed run left. `recorded_id` is the program that run wrote down (0: none): it
// tells ours where the name was not to be had; `seen` tells ours by name. -EBUSY and a message when
// the program is anybody else's.
int dp_xdp_remove_stale(const char *interface, uint32_t ifindex, uint32_t recorded_id,
	const struct dp_xdp_seen *seen);

// Detaches the program with that id and no other. 0 (also when it is not there) or -errno.
int dp_xdp_detach(uint32_t ifindex, uint32_t prog_id);

// A descriptor from which the XDP program can be opened by path as often as needed, or -errno.
int dp_xdp_object_fd(void);

// Says why the program cannot be attached: tries it by hand and reports the kernel's own words.
void dp_xdp_explain(const char *interface, uint32_t ifindex, uint32_t mtu);
