// SPDX-License-Identifier: BSD-3-Clause
// A kernel interface as AF_XDP needs to know it, read once by ioctl.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// The largest MTU whose frames, with the mbuf and its headrooms, fit the page that AF_XDP allows.
#define DP_INTERFACE_MAX_MTU 3490u

struct dp_interface {
	uint32_t index;
	uint32_t mtu;
	bool up;      // administratively
	bool running; // and with carrier
	bool promiscuous;
	uint8_t mac[6];
	uint32_t queues; // receive queues in use, 1 when the device has no channels
	bool combined;   // they are combined channels, as `ethtool -L ... combined` sets
};

// 0, -ENODEV when there is no such interface, or another -errno.
int dp_interface_read(const char *name, struct dp_interface *out);
