// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// Somebody else's XDP program, which the dataplane must not touch.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int foo(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char foreign_license[] SEC("license") = "Dual BSD/GPL";
