// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// Reads from a frame what steering decides by: which address and port of ours it is about.
// The same code runs in the kernel (XDP, tc) and in unit tests: no maps, no helpers, every access
// checked against `end`.
#pragma once

#include <linux/types.h>

#ifndef __bpf__
#include <string.h>
#endif

#define STEER_INLINE static inline __attribute__((always_inline))

#define STEER_MAX_EXTENSIONS 6 // IPv6 extension headers walked; a frame with more is not ours

enum steer_kind {
	STEER_OTHER,    // nothing that steering could want
	STEER_SHORT,    // the bytes at hand end before the decision
	STEER_UDP,      // UDP to address and port
	STEER_FRAGMENT, // a fragment of UDP to address
	STEER_QUOTE,    // an ICMP error about UDP from address and port
};

struct steer_seen {
	__u32 address[4]; // as in the packet; IPv4 in address[0], rest zero
	__u16 port;       // as in the packet
	__u16 family;     // 4 or 6
};

enum {
	STEER_ETHERTYPE_VLAN = 0x8100,
	STEER_ETHERTYPE_IPV4 = 0x0800,
	STEER_ETHERTYPE_IPV6 = 0x86dd,

	STEER_PROTO_HOP_BY_HOP = 0,
	STEER_PROTO_ICMP = 1,
	STEER_PROTO_UDP = 17,
	STEER_PROTO_ROUTING = 43,
	STEER_PROTO_FRAGMENT = 44,
	STEER_PROTO_ICMPV6 = 58,
	STEER_PROTO_DESTINATION = 60,

	STEER_IPV4_OFFSET = 0x1fff, // of the flags and offset field
	STEER_IPV4_MORE = 0x2000,
	STEER_IPV6_OFFSET = 0xfff8,
};

// The kernel takes unaligned loads on every architecture that AF_XDP is fast on; elsewhere a copy.
STEER_INLINE __u16 steer_raw16(const __u8 *p)
{
#ifdef __bpf__
	return *(const __u16 *)p;
#else
	__u16 v;
	memcpy(&v, p, sizeof(v));
	return v;
#endif
}

STEER_INLINE __u32 steer_raw32(const __u8 *p)
{
#ifdef __bpf__
	return *(const __u32 *)p;
#else
	__u32 v;
	memcpy(&v, p, sizeof(v));
	return v;
#endif
}

STEER_INLINE __u16 steer_rd16(const __u8 *p)
{
	return (__u16)(p[0] << 8 | p[1]);
}

STEER_INLINE void steer_take4(struct steer_seen *out, const __u8 *address)
{
	out->family = 4;
	out->address[0] = steer_raw32(address);
	out->address[1] = 0;
	out->address[2] = 0;
	out->address[3] = 0;
}

STEER_INLINE void steer_take6(struct steer_seen *out, const __u8 *address)
{
	out->family = 6;
	out->address[0] = steer_raw32(address);
	out->address[1] = steer_raw32(address + 4);
	out->address[2] = steer_raw32(address + 8);
	out->address[3] = steer_raw32(address + 12);
}

// The IPv4 packet that an ICMP error quotes: UDP from us. RFC 792 promises 8 bytes of it.
STEER_INLINE enum steer_kind steer_quote4(const __u8 *p, const __u8 *end, struct steer_seen *out)
{
	if (p + 20 > end)
		return STEER_SHORT;
	__u32 header_bytes = (p[0] & 0x0f) * 4;
	if (p[0] >> 4 != 4 || header_bytes < 20 || p[9] != STEER_PROTO_UDP ||
		(steer_rd16(p + 6) & STEER_IPV4_OFFSET))
		return STEER_OTHER;
	steer_take4(out, p + 12);
	p += header_bytes;
	if (p + 4 > end)
		return STEER_SHORT;
	out->port = steer_raw16(p);
	return STEER_QUOTE;
}

STEER_INLINE enum steer_kind steer_ipv4(const __u8 *p, const __u8 *end, struct steer_seen *out)
{
	if (p + 20 > end)
		return STEER_SHORT;
	__u32 header_bytes = (p[0] & 0x0f) * 4;
	__u8 protocol = p[9];
	if (p[0] >> 4 != 4 || header_bytes < 20 ||
		(protocol != STEER_PROTO_UDP && protocol != STEER_PROTO_ICMP))
		return STEER_OTHER;
	int fragment = steer_rd16(p + 6) & (STEER_IPV4_MORE | STEER_IPV4_OFFSET);
	steer_take4(out, p + 16);
	if (fragment)
		return protocol == STEER_PROTO_UDP ? STEER_FRAGMENT : STEER_OTHER;
	p += header_bytes;
	if (p + 8 > end)
		return STEER_SHORT;
	if (protocol == STEER_PROTO_UDP) {
		out->port = steer_raw16(p + 2);
		return STEER_UDP;
	}
	if (p[0] != 3 && p[0] != 11) // Destination Unreachable, Time Exceeded
		return STEER_OTHER;
	return steer_quote4(p + 8, end, out);
}

// Where the walk over extension headers ended.
struct steer_walk {
	const __u8 *at; // first byte of the upper layer; 0: the frame ended before
	__u8 protocol;  // next header, or STEER_PROTO_HOP_BY_HOP when there were too many
	__u8 fragment;  // a fragment header was passed
	__u8 later;     // and said that it is not the first fragment: `at` is no upper-layer header
};

STEER_INLINE struct steer_walk steer_extensions(const __u8 *p, const __u8 *end, __u8 next)
{
	struct steer_walk w = {.at = p, .protocol = next};

#pragma GCC unroll 6
	for (int i = 0; i < STEER_MAX_EXTENSIONS; i++) {
		if (next == STEER_PROTO_FRAGMENT) {
			if (p + 8 > end)
				goto ended;
			w.fragment = 1;
			next = p[0];
			w.later = (steer_rd16(p + 2) & STEER_IPV6_OFFSET) != 0;
			p += 8;
			if (w.later)
				break;
		} else if (next == STEER_PROTO_HOP_BY_HOP || next == STEER_PROTO_ROUTING ||
			   next == STEER_PROTO_DESTINATION) {
			if (p + 8 > end)
				goto ended;
			next = p[0];
			p += (p[1] + 1) * 8;
		} else {
			break;
		}
	}
	w.at = p;
	w.protocol = next;
	return w;
ended:
	w.at = 0;
	return w;
}

STEER_INLINE enum steer_kind steer_quote6(const __u8 *p, const __u8 *end, struct steer_seen *out)
{
	if (p + 40 > end)
		return STEER_SHORT;
	if (p[0] >> 4 != 6)
		return STEER_OTHER;
	steer_take6(out, p + 8);
	struct steer_walk w = steer_extensions(p + 40, end, p[6]);
	if (!w.at)
		return STEER_SHORT;
	if (w.protocol != STEER_PROTO_UDP || w.later)
		return STEER_OTHER;
	p = w.at;
	if (p + 4 > end)
		return STEER_SHORT;
	out->port = steer_raw16(p);
	return STEER_QUOTE;
}

STEER_INLINE enum steer_kind steer_ipv6(const __u8 *p, const __u8 *end, struct steer_seen *out)
{
	if (p + 40 > end)
		return STEER_SHORT;
	if (p[0] >> 4 != 6)
		return STEER_OTHER;
	steer_take6(out, p + 24);
	struct steer_walk w = steer_extensions(p + 40, end, p[6]);
	if (!w.at)
		return STEER_SHORT;
	if (w.fragment)
		return w.protocol == STEER_PROTO_UDP ? STEER_FRAGMENT : STEER_OTHER;
	if (w.protocol != STEER_PROTO_UDP && w.protocol != STEER_PROTO_ICMPV6)
		return STEER_OTHER;
	p = w.at;
	if (p + 8 > end)
		return STEER_SHORT;
	if (w.protocol == STEER_PROTO_UDP) {
		out->port = steer_raw16(p + 2);
		return STEER_UDP;
	}
	if (p[0] < 1 || p[0] > 3) // Destination Unreachable, Packet Too Big, Time Exceeded
		return STEER_OTHER;
	return steer_quote6(p + 8, end, out);
}

// A whole Ethernet frame, [p, end). `tags`: how many 802.1Q tags may stand in it (0 or 1).
STEER_INLINE enum steer_kind steer_parse(
	const __u8 *p, const __u8 *end, int tags, struct steer_seen *out)
{
	if (p + 14 > end)
		return STEER_SHORT;
	__u16 type = steer_rd16(p + 12);
	p += 14;
	if (tags && type == STEER_ETHERTYPE_VLAN) {
		if (p + 4 > end)
			return STEER_SHORT;
		type = steer_rd16(p + 2);
		p += 4;
	}
	if (type == STEER_ETHERTYPE_IPV4)
		return steer_ipv4(p, end, out);
	if (type == STEER_ETHERTYPE_IPV6)
		return steer_ipv6(p, end, out);
	return STEER_OTHER;
}
