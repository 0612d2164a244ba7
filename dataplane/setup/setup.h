// SPDX-License-Identifier: BSD-3-Clause
// Brings the process up, step by step, in this order. Each may block and logs its own clear message
// (what is wrong, what to do) before it returns -errno. Each _close undoes its _open and accepts a
// half-opened state.
#pragma once

#include "common/abi/memory.h"
#include "dataplane/dp.h"

// While the process is what it was started as, and has one thread: makes the run directory and
// hands it over, looks at what only root is shown (whose XDP programs and sockets stand in the
// way), then gives up user and capabilities (privileges.*, docs/architecture.md).
int dp_privileges_drop(struct dp *dp);
// The filter of system calls, for all threads: when nothing but work and the end is left to do.
int dp_privileges_filter(const struct dp *dp);

// flock on RUN_DIRECTORY/dataplane.lock, in a directory that is there: -EBUSY names the holder's
// pid.
int dp_lock_open(struct dp *dp);
void dp_lock_close(struct dp *dp);

// rte_eal_init: --in-memory (--no-shconf without hugepages) --iova-mode=va --no-pci --no-telemetry,
// lcore i+1 pinned to workers.cores[i], the main lcore (management thread) floating over the others;
// hugepages when there are enough, else --no-huge with a warning. Fills tsc_hz, hugepages.
int dp_eal_open(struct dp *dp);
void dp_eal_close(struct dp *dp);
// Whether an address lies in the memory that DPDK manages.
bool dp_eal_owns(const void *address);

// The mbuf pool: one populated chunk, every mbuf checked to lie inside it (dp->pool).
int dp_pool_open(struct dp *dp);
void dp_pool_close(struct dp *dp);
// Tells packet memory.
void dp_pool_memory(struct tp_memory *out);

// Ports of the config: checks interface, MTU, channels; removes a stale XDP program of ours
// (anybody else's is refused by name); starts the ethdev; leaves the link without traffic until
// dp_steer_open.
int dp_ports_open(struct dp *dp);
void dp_ports_close(struct dp *dp);

// Steering: fills listener, range and local maps of every port, attaches the guards, merges the
// relay range into ip_local_reserved_ports.
int dp_steer_open(struct dp *dp);
// Orderly stop: programs, guards and reserved ports are put back as found.
void dp_steer_close(struct dp *dp);
// Fills the steer_*, guard_* and xdp_* fields of every port.
void dp_steer_status(const struct dp *dp, struct tp_status_reply *out);
