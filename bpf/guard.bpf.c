// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The tc ingress guard: drops the relay's traffic that reaches the kernel because no XDP program
// is attached (restart after a crash). With one attached it never sees such a frame.
#include <linux/pkt_cls.h>

#include "bpf/maps.h"

#define GUARD_PULL_BYTES 1024 // made linear when the headers lie in page fragments

SEC("tc")
int tp_steer_guard(struct __sk_buff *skb)
{
	enum steer_kind kind = STEER_SHORT;
	struct steer_seen seen;
	// The kernel has taken one tag out of the frame already: a second one is not ours.
	int tags = !skb->vlan_present;

	for (int i = 0; i < 2; i++) {
		const __u8 *data = (const __u8 *)(long)skb->data;
		const __u8 *end = (const __u8 *)(long)skb->data_end;

		kind = steer_parse(data, end, tags, &seen);
		if (kind != STEER_SHORT)
			break;
		__u32 want = skb->len < GUARD_PULL_BYTES ? skb->len : GUARD_PULL_BYTES;
		if (bpf_skb_pull_data(skb, want))
			break;
	}
	if (steer_match(kind, &seen) == TP_STEER_PASSED)
		return TC_ACT_UNSPEC; // other filters go on
	steer_count(TP_STEER_GUARD_DROPPED);
	return TC_ACT_SHOT;
}

char guard_license[] SEC("license") = "Dual BSD/GPL";
