// SPDX-License-Identifier: BSD-3-Clause
// Relay addresses (prefixes expanded) and which of their ports are taken: a bitmap an address.
// Ports are chosen uniformly among the free ones of the less loaded of two random addresses
// (RFC 6056: unpredictable; equal load).
#pragma once

#include "control/alloc/draw.h"
#include "control/alloc/store.h"

struct ctl_relay_address {
	struct tp_ip address;
	struct tp_ip public_address;
	uint64_t *taken; // bit (port - base); bits outside the range, and listeners' ports, are set
	uint32_t free;
};

struct ctl_relays {
	struct ctl_relay_address *address; // IPv4 first
	uint32_t count;
	uint32_t first[3]; // of IPv4, of IPv6, count
	uint16_t base;     // port of bit 0, a multiple of 64
	uint16_t port_min, port_max;
	uint32_t words; // of a bitmap
	uint64_t *bits; // of all bitmaps
	uint64_t free[2];
	// Prefixes as expanded, to find an address by arithmetic.
	struct ctl_relay_place {
		struct tp_ip address;
		uint8_t prefix_bits;
		uint32_t first;
	} place[TP_MAX_RELAYS];
	uint32_t places;
};

struct ctl_relay_port {
	uint32_t address; // index, or TP_INDEX_NONE
	uint16_t port;
	uint16_t pad;
};
#define CTL_RELAY_NONE ((struct ctl_relay_port){.address = TP_INDEX_NONE})

enum ctl_port_wish {
	CTL_WISH_ANY,
	CTL_WISH_EVEN,
	CTL_WISH_PAIR, // an even one, and the next one: both are taken
};

// 0, -EINVAL (a prefix of no family, range upside down), -E2BIG, -ENOMEM.
int ctl_relays_init(struct ctl_relays *r, const struct ctl_store_policy *policy);
void ctl_relays_fini(struct ctl_relays *r);

static inline bool ctl_relays_have(const struct ctl_relays *r, uint8_t family)
{
	int f = family == TP_FAMILY_IPV6;
	return r->first[f + 1] > r->first[f];
}

// Takes a random free port. 0; -EAFNOSUPPORT no address of that family; -ENOSPC none free; -errno
// of the random source.
int ctl_relays_take(struct ctl_relays *r, struct ctl_draw *draw, uint8_t family,
	enum ctl_port_wish wish, struct ctl_relay_port *out);

// Takes this one (adoption): the place, or none when the address is not ours, the port is out of
// range or already taken; *taken tells the last case.
struct ctl_relay_port ctl_relays_mark(
	struct ctl_relays *r, const struct tp_addr *relay, bool *taken);

// Gives it back; none is nothing.
void ctl_relays_release(struct ctl_relays *r, struct ctl_relay_port port);

struct tp_addr ctl_relays_address(const struct ctl_relays *r, struct ctl_relay_port port);

// The form that clients are told; family none for an address that is not ours.
struct tp_addr ctl_relays_public(const struct ctl_relays *r, const struct tp_addr *relay);
