// SPDX-License-Identifier: BSD-3-Clause
// What steering keeps while the process runs (dp->steer). Made by dp_ports_open, which finds the
// programs; filled and undone by dp_steer_open and dp_steer_close; freed by dp_ports_close.
#pragma once

#include "common/abi/abi.h"
#include "dataplane/setup/bpf_maps.h"
#include "dataplane/setup/traces.h"

struct dp_steer_port {
	int claim_fd;    // holds the interface against other dataplanes; -1: bench mode
	uint32_t xdp_id; // our program on it
	struct dp_bpf_maps maps;
};

struct dp_steer {
	struct dp_traces traces; // what stands in the kernel by our doing
	bool inherited;          // an earlier run ended without an orderly stop
	bool open;               // dp_steer_open came to its end
	int object_fd;           // memfd of the XDP program, for net_af_xdp
	struct dp_steer_port port[TP_MAX_PORTS];
};
