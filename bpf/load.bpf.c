// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// turnpike-bench load by AF_XDP: numbered datagrams to its address go to its socket, anything else
// (answers of the server above all) to the kernel.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bpf/load.h"
#include "bpf/parse.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct load_want);
} load_want SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct load_way);
} load_way SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} load_xsk SEC(".maps");

STEER_INLINE int same(const __u8 *at, const __u32 *want, int words)
{
	__u32 differ = 0;

	for (int i = 0; i < words; i++)
		differ |= steer_raw32(at + 4 * i) ^ want[i];
	return differ == 0;
}

// The UDP header of a datagram to the load, without IP options; 0: none. `source`: its address.
STEER_INLINE const __u8 *datagram(
	const __u8 *p, const __u8 *end, const struct load_want *want, const __u8 **source)
{
	if (p + 14 + 20 + 8 > end)
		return 0;
	__u16 type = steer_rd16(p + 12);
	p += 14;
	if (want->family == 4) {
		if (type != STEER_ETHERTYPE_IPV4 || p[0] != 0x45 || p[9] != STEER_PROTO_UDP ||
			(steer_rd16(p + 6) & (STEER_IPV4_MORE | STEER_IPV4_OFFSET)) ||
			!same(p + 16, want->address, 1))
			return 0;
		*source = p + 12;
		return p + 20;
	}
	if (p + 40 + 8 > end || type != STEER_ETHERTYPE_IPV6 || p[6] != STEER_PROTO_UDP ||
		!same(p + 24, want->address, 4))
		return 0;
	*source = p + 8;
	return p + 40;
}

STEER_INLINE void remember(const __u8 *frame, struct load_way *way)
{
	for (int i = 0; i < 6; i++) {
		way->here[i] = frame[i];
		way->there[i] = frame[6 + i];
	}
}

SEC("xdp")
int load_xdp(struct xdp_md *ctx)
{
	const __u8 *frame = (const __u8 *)(long)ctx->data;
	const __u8 *end = (const __u8 *)(long)ctx->data_end, *source;
	__u32 zero = 0;
	const struct load_want *want = bpf_map_lookup_elem(&load_want, &zero);
	struct load_way *way = bpf_map_lookup_elem(&load_way, &zero);

	if (!want || !way)
		return XDP_PASS;
	const __u8 *udp = datagram(frame, end, want, &source);
	if (!udp)
		return XDP_PASS;
	const __u8 *magic = udp + 8 + (want->offset & 7);
	if (magic + 4 <= end && steer_raw32(magic) == want->magic)
		return (int)bpf_redirect_map(&load_xsk, 0, XDP_PASS);
	if (same(source, want->server, want->family == 4 ? 1 : 4))
		remember(frame, way);
	return XDP_PASS;
}

char load_license[] SEC("license") = "Dual BSD/GPL";
