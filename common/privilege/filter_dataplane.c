// SPDX-License-Identifier: BSD-3-Clause
// What only the dataplane asks of the kernel once it relays. No program is run, no thread made, no
// BPF program loaded any more.
#include <linux/bpf.h>
#include <sys/prctl.h>

#include "common/privilege/filter_rules.h"

// clang-format off
static const struct tp_filter_rule rules[] = {
	// Counters and sockets of the steering maps; detaching goes by netlink.
	ALLOW_IF(bpf, 0, BPF_MAP_LOOKUP_ELEM), ALLOW_IF(bpf, 0, BPF_MAP_UPDATE_ELEM), ALLOW_IF(bpf, 0, BPF_MAP_DELETE_ELEM),
	ALLOW_IF(bpf, 0, BPF_MAP_GET_NEXT_KEY), ALLOW_IF(bpf, 0, BPF_OBJ_GET_INFO_BY_FD),
	// DPDK's heap: pages given and taken while it runs, on the right node.
	ALLOW(get_mempolicy), ALLOW(set_mempolicy), ALLOW(mbind), ALLOW(fallocate), ALLOW(msync),
	// How exact a worker's pauses are.
	ALLOW_IF(prctl, 0, PR_SET_TIMERSLACK),
	// Its thread of interrupts, and memif's peers, who come and go: older forms of what all may do.
	ALLOW(accept), ALLOW(epoll_create),
};
// clang-format on

struct tp_filter tp_filter_dataplane(void)
{
	return (struct tp_filter){.shared = tp_filter_shared(), .own = PART(rules)};
}
