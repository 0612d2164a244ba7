// SPDX-License-Identifier: BSD-3-Clause
// The steering maps of one port. net_af_xdp loads a copy of the XDP program for each port and keeps
// its maps to itself; they are found again among our own descriptors, which takes no privilege.
#pragma once

#include <stdint.h>

#include "common/abi/bpf_steer.h"
#include "config/conf.h"

struct dp_bpf_maps {
	int config, local4, local6, listeners, counts; // own descriptors, -1: none
};

#define DP_BPF_MAPS_NONE                                                                           \
	((struct dp_bpf_maps){                                                                     \
		.config = -1, .local4 = -1, .local6 = -1, .listeners = -1, .counts = -1})

// Maps of the loaded program with that id. 0, or -ENOENT when it is none of this process'.
int dp_bpf_maps_find(uint32_t prog_id, struct dp_bpf_maps *out);
void dp_bpf_maps_close(struct dp_bpf_maps *m);

// Listeners, relay addresses (prefixes expanded) and the port range: from now on the program takes
// traffic. 0, -E2BIG (more addresses than the maps hold) or another -errno.
int dp_bpf_maps_fill(const struct dp_bpf_maps *m, const struct conf *conf);

// Sums a counter of the per-CPU array over all CPUs into out[TP_STEER_COUNTS]. 0 or -errno.
int dp_bpf_maps_read(const struct dp_bpf_maps *m, uint64_t out[TP_STEER_COUNTS]);
