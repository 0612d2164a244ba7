// SPDX-License-Identifier: BSD-3-Clause
// IP addresses and transport addresses as values: no pointers, fixed layout, part of the ABI.
// IPv4 lives in bytes[0..3], the rest is zero, so two equal addresses are equal by memcmp.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	TP_FAMILY_NONE = 0,
	TP_FAMILY_STREAM = 1, // no IP address: a client behind a stream process, common/abi/stream.h
	TP_FAMILY_IPV4 = 4,
	TP_FAMILY_IPV6 = 6,
};

struct tp_ip {
	uint8_t bytes[16]; // network order
	uint8_t family;    // TP_FAMILY_*
	uint8_t pad[3];    // zero
};

struct tp_addr {
	struct tp_ip ip;
	uint16_t port; // host order
	uint16_t pad;  // zero
};

static_assert(sizeof(struct tp_ip) == 20);
static_assert(sizeof(struct tp_addr) == 24);

// Enough for "[ffff:...:255.255.255.255]:65535" and its NUL.
#define TP_ADDR_STRLEN 56

static inline size_t tp_ip_length(const struct tp_ip *ip)
{
	return ip->family == TP_FAMILY_IPV4 ? 4 : ip->family == TP_FAMILY_IPV6 ? 16 : 0;
}

static inline bool tp_ip_equal(const struct tp_ip *a, const struct tp_ip *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool tp_addr_equal(const struct tp_addr *a, const struct tp_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

struct tp_ip tp_ip4(uint32_t host_order);

// Parses a literal ("198.18.0.2", "fd00::1"; no brackets, no port, no zone). 0 or -EINVAL.
int tp_ip_parse(const char *text, struct tp_ip *out);

// Parses "198.18.0.0/15" or a bare address (full length). Host bits must be zero.
// 0, -EINVAL (not a prefix), -ERANGE (host bits set or length too long).
int tp_prefix_parse(const char *text, struct tp_ip *out, uint8_t *length_bits);

bool tp_ip_in_prefix(const struct tp_ip *ip, const struct tp_ip *prefix, uint8_t length_bits);

// Writes "198.18.0.2" / "fd00::1" ("-" for none); returns out, always terminated.
char *tp_ip_format(const struct tp_ip *ip, char out[TP_ADDR_STRLEN]);
// Writes "198.18.0.2:3478" / "[fd00::1]:3478"; returns out.
char *tp_addr_format(const struct tp_addr *addr, char out[TP_ADDR_STRLEN]);

struct sockaddr_storage;
// 0, or -EAFNOSUPPORT. An IPv4-mapped sockaddr_in6 becomes IPv4.
int tp_addr_from_sockaddr(const struct sockaddr_storage *sa, struct tp_addr *out);
// Returns the length of the sockaddr written, 0 for family none.
size_t tp_addr_to_sockaddr(const struct tp_addr *addr, struct sockaddr_storage *out);
