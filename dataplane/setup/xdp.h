// SPDX-License-Identifier: BSD-3-Clause
// XDP programs on interfaces: ours, left over from a crash, and other people's.
#pragma once

#include <stdint.h>

// Id of the program attached to the interface in any mode, 0 for none. 0 or -errno.
int dp_xdp_attached(uint32_t ifindex, uint32_t *prog_id);

// Detaches what a crashed run left. `recorded_id` is the program that run wrote down (0: none): it
// tells ours where reading names takes a capability this process lacks. -EBUSY and a message when
// the program is anybody else's.
int dp_xdp_remove_stale(const char *interface, uint32_t ifindex, uint32_t recorded_id);

// Detaches the program with that id and no other. 0 (also when it is not there) or -errno.
int dp_xdp_detach(uint32_t ifindex, uint32_t prog_id);

// A descriptor from which the XDP program can be opened by path as often as needed, or -errno.
int dp_xdp_object_fd(void);

// Says why the program cannot be attached: tries it by hand and reports the kernel's own words.
void dp_xdp_explain(const char *interface, uint32_t ifindex, uint32_t mtu);
