// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// What the steering programs (bpf/) and dataplane/setup share: names, keys and values of the maps.
// Included by BPF code as well, so it stands on linux/types.h alone. Addresses and ports are in
// network order as in the packet, unless a comment says otherwise.
#pragma once

#include <linux/types.h>

// Kernel objects are recognised as ours by this prefix (BPF_OBJ_NAME_LEN leaves 15 characters).
#define TP_STEER_PREFIX     "tp_steer"
#define TP_STEER_XDP_NAME   "tp_steer_xdp"
#define TP_STEER_GUARD_NAME "tp_steer_guard"

#define TP_STEER_MAP_SOCKETS   "xsks_map" // the name net_af_xdp looks for; never shared or pinned
#define TP_STEER_MAP_CONFIG    "tp_steer_config"
#define TP_STEER_MAP_LOCAL4    "tp_steer_local4"
#define TP_STEER_MAP_LOCAL6    "tp_steer_local6"
#define TP_STEER_MAP_LISTENERS "tp_steer_listen"
#define TP_STEER_MAP_COUNTS    "tp_steer_count"

#define TP_STEER_MAX_QUEUES    64
#define TP_STEER_MAX_LOCALS    4096 // each family
#define TP_STEER_MAX_LISTENERS 64

// tp_steer_config: array of one.
struct tp_steer_config {
	__u16 port_min; // relay port range, both ends inside, host order
	__u16 port_max;
};

// tp_steer_local4 (key: 4 bytes of address) and tp_steer_local6 (16 bytes): hash; value: these
// bits.
#define TP_STEER_LOCAL_RELAY    1U // the relay port range of this address is ours
#define TP_STEER_LOCAL_LISTENER 2U // at least one UDP listener stands on it

// tp_steer_listen: hash; the value is a __u32 without meaning.
struct tp_steer_listener {
	__u8 address[16]; // IPv4 in the first four bytes, rest zero
	__u16 port;       // network order
	__u16 family;     // 4 or 6
};

// tp_steer_count: per-CPU array of __u64, frames. Order as the steer_* fields of tp_port_status.
enum tp_steer_count {
	TP_STEER_UDP_LISTENER, // redirected: UDP to a listener
	TP_STEER_UDP_RELAY,    // redirected: UDP to the range of a relay address
	TP_STEER_FRAGMENT,     // redirected: fragment of UDP to such an address
	TP_STEER_ICMP,    // redirected: ICMP error that quotes UDP from a relay address and range
	TP_STEER_PASSED,  // left to the kernel
	TP_STEER_DROPPED, // ours, but no socket stands on the queue
	TP_STEER_GUARD_DROPPED, // ours, dropped by the guard while no XDP program was attached
	TP_STEER_COUNTS,
};
