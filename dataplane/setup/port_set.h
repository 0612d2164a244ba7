// SPDX-License-Identifier: BSD-3-Clause
// A set of UDP/TCP ports, with the text form of net.ipv4.ip_local_reserved_ports ("80,9000-9010").
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DP_PORT_SET_TEXT 65536 // enough for every set the kernel prints in one page, and our own

struct dp_port_set {
	uint64_t bits[65536 / 64];
};

static inline bool dp_port_set_has(const struct dp_port_set *s, uint16_t port)
{
	return s->bits[port / 64] >> (port % 64) & 1;
}

static inline void dp_port_set_add(struct dp_port_set *s, uint16_t first, uint16_t last)
{
	for (uint32_t port = first; port <= last; port++)
		s->bits[port / 64] |= UINT64_C(1) << (port % 64);
}

bool dp_port_set_empty(const struct dp_port_set *s);
// a |= b
void dp_port_set_join(struct dp_port_set *a, const struct dp_port_set *b);
// a &= ~b
void dp_port_set_remove(struct dp_port_set *a, const struct dp_port_set *b);

// Reads the kernel's form; white space at the end is no part of it. 0 or -EINVAL.
int dp_port_set_parse(const char *text, struct dp_port_set *out);
// Writes the kernel's form, "" for the empty set. Length, or -E2BIG.
int dp_port_set_format(const struct dp_port_set *s, char *out, size_t size);
