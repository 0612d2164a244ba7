// SPDX-License-Identifier: BSD-3-Clause
// Relay addresses (prefixes expanded) and which of their ports are taken: a bitmap an address.
// Ports are chosen uniformly among the free ones of the less loaded of two random addresses
// (RFC 6056: unpredictable; equal load). Every step is O(1) but the search inside one bitmap: what
// a wish can still have is counted, so an exhausted pool costs no search.
#pragma once

#include "control/alloc/draw.h"
#include "control/alloc/relay_use.h"
#include "control/alloc/store.h"

enum ctl_port_wish {
	CTL_WISH_ANY,
	CTL_WISH_EVEN,
	CTL_WISH_PAIR, // an even one, and the next one: both are taken
	CTL_WISHES,
};

struct ctl_relay_address {
	struct tp_ip address;
	struct tp_ip public_address;
	uint64_t *taken; // bit (port - base); bits outside the range, and listeners' ports, are set
	uint32_t ports;  // of the range, listeners' left out
	uint32_t free[CTL_WISHES]; // free ports, even ones of them, pairs of them
	uint32_t resting;          // taken, but by nobody that lives
	uint32_t usable_at;        // place in ctl_relays.usable, or TP_INDEX_NONE
};

// An entry of relay.addresses as expanded.
struct ctl_relay_place {
	struct tp_ip address;
	struct tp_ip public_address;
	uint8_t prefix_bits;
	uint8_t use;    // enum ctl_relay_use
	uint32_t first; // address
	uint32_t count;
};

struct ctl_relays {
	struct ctl_relay_address *address; // IPv4 first
	uint32_t count;
	uint32_t first[3]; // of IPv4, of IPv6, count
	uint16_t base;     // port of bit 0, a multiple of 64
	uint16_t port_min, port_max;
	uint32_t words; // of a bitmap
	uint64_t *bits; // of all bitmaps
	// Addresses in use, of family f in usable[first[f]...], n_usable[f] of them, and what these
	// have together.
	uint32_t *usable;
	uint32_t n_usable[2];
	uint64_t free[2][CTL_WISHES];
	uint64_t resting[2];
	uint32_t n_known[2];                         // addresses that are not removed
	struct ctl_relay_place place[TP_MAX_RELAYS]; // IPv4 first, else in the order of the policy
	uint16_t by_address[TP_MAX_RELAYS];          // places, sorted, to find one by bisection
	uint32_t places;
};

struct ctl_relay_port {
	uint32_t address; // index, or TP_INDEX_NONE
	uint16_t port;
	uint16_t pad;
};
#define CTL_RELAY_NONE ((struct ctl_relay_port){.address = TP_INDEX_NONE})

// All addresses are in use at first. 0, -EINVAL (a prefix of no family, range upside down,
// overlap), -E2BIG, -ENOMEM.
int ctl_relays_init(struct ctl_relays *r, const struct ctl_store_policy *policy);
void ctl_relays_fini(struct ctl_relays *r);

static inline int ctl_relays_family(uint8_t family)
{
	return family == TP_FAMILY_IPV6;
}

// Whether there is an address of this family that is not removed.
static inline bool ctl_relays_have(const struct ctl_relays *r, uint8_t family)
{
	return r->n_known[ctl_relays_family(family)] > 0;
}

// Takes a random free port of an address in use. 0; -EAFNOSUPPORT no address of that family;
// -ENOSPC none free, or all of them drained; -errno of the random source.
int ctl_relays_take(struct ctl_relays *r, struct ctl_draw *draw, uint8_t family,
	enum ctl_port_wish wish, struct ctl_relay_port *out);

// Takes this one (adoption), whatever the use of its address: the place, or none when the address
// is not ours, the port is out of range or already taken; *taken tells the last case.
struct ctl_relay_port ctl_relays_mark(
	struct ctl_relays *r, const struct tp_addr *relay, bool *taken);

// Gives it back; none is nothing.
void ctl_relays_release(struct ctl_relays *r, struct ctl_relay_port port);

// A taken port begins (+1) or ceases (-1) to rest; none is nothing.
void ctl_relays_rest(struct ctl_relays *r, struct ctl_relay_port port, int step);

// Changes the use of a whole place; ports that are taken stay so.
void ctl_relays_set_use(struct ctl_relays *r, uint32_t place, enum ctl_relay_use use);

struct tp_addr ctl_relays_address(const struct ctl_relays *r, struct ctl_relay_port port);

// The form that clients are told; family none for an address that is not ours.
struct tp_addr ctl_relays_public(const struct ctl_relays *r, const struct tp_addr *relay);
// From that form to ours; family none for an address that is not ours. Looks at every place.
struct tp_addr ctl_relays_private(const struct ctl_relays *r, const struct tp_addr *relay);
