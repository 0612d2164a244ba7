// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// Maps of load.bpf.c, shared with bench/load/xdp.c.
#pragma once

#include <linux/types.h>

// load_want, key 0: which datagrams are the load's. Others are the kernel's.
struct load_want {
	__u32 address[4]; // that they are to, as in the packet; IPv4 in address[0], rest zero
	__u32 server[4];  // whose datagrams show the way there
	__u32 magic;      // the payload's, as in the packet
	__u16 offset;     // of the magic in the payload
	__u16 family;     // 4 or 6
};

// load_way, key 0: Ethernet addresses of the last datagram of the server; zero: none came yet.
struct load_way {
	__u8 here[6], there[6];
};
