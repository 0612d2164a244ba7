// SPDX-License-Identifier: BSD-3-Clause
// The tc ingress guard of one interface: drops the relay's traffic while no XDP program is
// attached. It outlives a crash; only an orderly stop takes it away.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/setup/bpf_maps.h"

// Attaches a guard over these maps. One of an earlier run is replaced in one step, so that there is
// always a guard. *qdisc_own: set when the clsact qdisc had to be made. 0 or -errno, logged.
int dp_guard_attach(const char *interface, uint32_t ifindex, const struct dp_bpf_maps *maps,
	uint32_t *qdisc_own);

// Removes every guard of ours, and the qdisc when `qdisc_own` and nobody else uses it. 0 or -errno.
int dp_guard_detach(uint32_t ifindex, bool qdisc_own);
