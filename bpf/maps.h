// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The maps both programs read, and the decision over them. The guard is loaded with the maps of
// its port's XDP program, so what userspace writes once holds for both.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/parse.h"
#include "common/abi/bpf_steer.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tp_steer_config);
} tp_steer_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TP_STEER_MAX_LOCALS);
	__uint(key_size, 4);
	__uint(value_size, 4);
} tp_steer_local4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TP_STEER_MAX_LOCALS);
	__uint(key_size, 16);
	__uint(value_size, 4);
} tp_steer_local6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, TP_STEER_MAX_LISTENERS);
	__type(key, struct tp_steer_listener);
	__type(value, __u32);
} tp_steer_listen SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TP_STEER_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} tp_steer_count SEC(".maps");

STEER_INLINE void steer_count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&tp_steer_count, &what);

	if (n)
		(*n)++;
}

STEER_INLINE int steer_in_range(__u16 port)
{
	__u32 zero = 0;
	const struct tp_steer_config *c = bpf_map_lookup_elem(&tp_steer_config, &zero);
	__u16 host = bpf_ntohs(port);

	return c && host >= c->port_min && host <= c->port_max;
}

STEER_INLINE int steer_is_listener(const struct steer_seen *seen)
{
	struct tp_steer_listener key = {.port = seen->port, .family = seen->family};

	__builtin_memcpy(key.address, seen->address, sizeof(key.address));
	return bpf_map_lookup_elem(&tp_steer_listen, &key) != 0;
}

// The counter of the class that takes the frame, or TP_STEER_PASSED when it is the kernel's.
STEER_INLINE __u32 steer_match(enum steer_kind kind, const struct steer_seen *seen)
{
	if (kind < STEER_UDP)
		return TP_STEER_PASSED;
	const __u32 *local = seen->family == 4
				     ? bpf_map_lookup_elem(&tp_steer_local4, seen->address)
				     : bpf_map_lookup_elem(&tp_steer_local6, seen->address);
	if (!local)
		return TP_STEER_PASSED;
	__u32 is = *local;

	if (kind == STEER_FRAGMENT)
		return TP_STEER_FRAGMENT;
	if (kind == STEER_UDP && (is & TP_STEER_LOCAL_LISTENER) && steer_is_listener(seen))
		return TP_STEER_UDP_LISTENER;
	if (!(is & TP_STEER_LOCAL_RELAY) || !steer_in_range(seen->port))
		return TP_STEER_PASSED;
	return kind == STEER_UDP ? TP_STEER_UDP_RELAY : TP_STEER_ICMP;
}
