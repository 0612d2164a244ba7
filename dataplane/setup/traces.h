// SPDX-License-Identifier: BSD-3-Clause
// RUN_DIRECTORY/steer.state: what this dataplane put into the kernel, so that after a crash the
// next one knows its own leftovers from other people's settings. Gone after an orderly stop.
#pragma once

#include "dataplane/setup/port_set.h"

#define DP_TRACES_MAX 16

struct dp_trace {
	char interface[16];
	uint32_t ifindex;
	uint32_t xdp_id;    // XDP program, 0: none
	uint32_t qdisc_own; // 1: the clsact qdisc was made by us
};

struct dp_traces {
	struct dp_port_set reserved; // what we added to ip_local_reserved_ports
	struct dp_trace interface[DP_TRACES_MAX];
	uint32_t n_interfaces;
};

// An absent, unreadable or foreign record (another boot, another network namespace) reads as empty.
void dp_traces_load(const char *run_directory, struct dp_traces *out);
// Replaces the file at once. 0 or -errno, logged.
int dp_traces_save(const char *run_directory, const struct dp_traces *t);
void dp_traces_remove(const char *run_directory);

// The record of that interface (name and index agree), made when `make` and there is room; or NULL.
struct dp_trace *dp_traces_find(
	struct dp_traces *t, const char *interface, uint32_t ifindex, bool make);
