// SPDX-License-Identifier: BSD-3-Clause
// The parts of opening a port that differ by its mode.
#pragma once

#include "dataplane/dp.h"
#include "dataplane/setup/interface.h"

struct dp_steer_port;

// ---- af_xdp

// What this process must be allowed to do. 0, or -EPERM after naming what is missing.
int dp_port_check_capabilities(void);
// Checks the interface, claims it, frees it of a program that a crashed run left, makes the vdev
// and fills `vdev` with its name and `port` with what the kernel knows. 0 or -errno, logged.
int dp_port_af_xdp_create(
	struct dp *dp, struct dp_port *port, struct dp_interface *interface, char vdev[32]);
// After the first receive queue: finds the program that net_af_xdp attached. 0 or -errno, logged.
int dp_port_af_xdp_find(struct dp *dp, const struct dp_port *port);

// ---- bench

// Makes the vdev of the config's "vdev" (NAME,ARGUMENTS). 0 or -errno, logged.
int dp_port_bench_create(struct dp_port *port, char vdev[32]);
