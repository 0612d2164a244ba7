// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The XDP program: takes the relay's traffic to the AF_XDP socket of the receive queue, leaves all
// else to the kernel. The relay's traffic never reaches the kernel: while no socket stands on the
// queue (start, restart, crash) it is dropped, so that no client is told "port unreachable".
#include "bpf/maps.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, TP_STEER_MAX_QUEUES);
	__uint(key_size, 4);
	__uint(value_size, 4);
} xsks_map SEC(".maps");

SEC("xdp")
int tp_steer_xdp(struct xdp_md *ctx)
{
	const __u8 *data = (const __u8 *)(long)ctx->data;
	const __u8 *end = (const __u8 *)(long)ctx->data_end;
	struct steer_seen seen;

	__u32 class = steer_match(steer_parse(data, end, 1, &seen), &seen);
	if (class == TP_STEER_PASSED) {
		steer_count(TP_STEER_PASSED);
		return XDP_PASS;
	}
	int action = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_DROP);
	steer_count(action == XDP_REDIRECT ? class : TP_STEER_DROPPED);
	return action;
}

char steer_license[] SEC("license") = "Dual BSD/GPL";
