// SPDX-License-Identifier: BSD-3-Clause
// Whose address and port a datagram was sent to, inline for the packet path; everybody else uses
// locals.h. Three small open-addressed tables over one array: by the address in packets, by the
// public address, and listeners by (local, port). Eight-byte slots; an IPv4 address is the slot's
// tag itself, so a hit on it touches one line.
#pragma once

#include <endian.h>

#include <rte_branch_prediction.h>

#include "common/base/bytes.h"
#include "dataplane/table/locals.h"

#define DP_LISTENER_SLOTS (4 * TP_MAX_LISTENERS)
static_assert((DP_LISTENER_SLOTS & (DP_LISTENER_SLOTS - 1)) == 0);

struct dp_local_slot {
	alignas(8) uint32_t tag;
	uint16_t local; // DP_LOCAL_NONE: empty
	uint8_t family;
	uint8_t relay; // as in its struct dp_local
};
static_assert(sizeof(struct dp_local_slot) == 8);

struct dp_listener_slot {
	alignas(8) uint16_t local;
	rte_be16_t port;
	uint16_t listener; // DP_LISTENER_NONE: empty
	uint16_t pad;
};
static_assert(sizeof(struct dp_listener_slot) == 8);

struct dp_local_index {
	struct dp_local_slot *slots;
	uint32_t mask;
};

struct dp_locals {
	struct dp_local *locals;
	struct dp_local_index by_address;
	struct dp_local_index by_public;
	uint16_t count;
	uint16_t n_listeners;
	uint16_t port_min, port_max; // host order
	struct dp_listener_slot listener_slots[DP_LISTENER_SLOTS];
	struct tp_addr listener[TP_MAX_LISTENERS];
	uint16_t listener_local[TP_MAX_LISTENERS];
	uint32_t listener_transports[TP_MAX_LISTENERS];
	struct dp_discovery listener_discovery[TP_MAX_LISTENERS];
	const char *listener_realm[TP_MAX_LISTENERS];
};

static inline uint32_t dp_local_tag(uint8_t family, const uint8_t *ip)
{
	if (family == TP_FAMILY_IPV4) {
		uint32_t word; // as it stands in packets
		memcpy(&word, ip, sizeof(word));
		return word;
	}
	uint64_t high = tp_rd64(ip), low = tp_rd64(ip + 8);
	return (uint32_t)(((high * UINT64_C(0x9e3779b97f4a7c15)) ^ low) *
				  UINT64_C(0xc2b2ae3d27d4eb4f) >>
			  32);
}

static inline uint32_t dp_local_spread(uint32_t value)
{
	return (uint32_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static inline bool dp_local_same_address(const struct tp_ip *have, const uint8_t ip[16])
{
	uint64_t a[2], b[2];

	memcpy(a, have->bytes, sizeof(a));
	memcpy(b, ip, sizeof(b));
	return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

// The slot of an address, or an empty one. `public` selects which of a local's two addresses the
// index is over.
static inline const struct dp_local_slot *dp_local_index_find(const struct dp_locals *l,
	const struct dp_local_index *index, bool public, uint8_t family, const uint8_t *ip)
{
	uint32_t tag = dp_local_tag(family, ip);

	for (uint32_t at = dp_local_spread(tag) & index->mask;; at = (at + 1) & index->mask) {
		const struct dp_local_slot *slot = &index->slots[at];
		if (slot->local == DP_LOCAL_NONE)
			return slot;
		if (slot->tag != tag || slot->family != family)
			continue;
		if (family == TP_FAMILY_IPV4)
			return slot;
		const struct dp_local *local = &l->locals[slot->local];
		if (dp_local_same_address(public ? &local->public_address : &local->address, ip))
			return slot;
	}
}

// The slot of a listener, or an empty one. The two ends of the search are not told apart by a
// branch: packets of clients and of peers come mixed.
static inline const struct dp_listener_slot *dp_listener_slot(
	const struct dp_locals *l, uint16_t local, rte_be16_t port)
{
	uint32_t at = dp_local_spread((uint32_t)local << 16 | port) % DP_LISTENER_SLOTS;
	const struct dp_listener_slot *slot = &l->listener_slots[at];

	while (unlikely((slot->listener != DP_LISTENER_NONE) &
			((slot->local != local) | (slot->port != port)))) {
		at = (at + 1) % DP_LISTENER_SLOTS;
		slot = &l->listener_slots[at];
	}
	return slot;
}

// ---- the lane's: the first slot is looked at inline, in one word, what that does not settle is
// not

static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "slots are compared as words");

// dp_listener_find. Most datagrams of peers meet an empty slot.
static inline uint32_t dp_listener_near(const struct dp_locals *l, uint32_t local, uint32_t port)
{
	uint32_t at = dp_local_spread(local << 16 | port) % DP_LISTENER_SLOTS;
	uint64_t slot;

	memcpy(&slot, &l->listener_slots[at], sizeof(slot));
	uint32_t listener = (uint16_t)(slot >> 32);
	if (likely((uint32_t)slot == (local | port << 16) || listener == DP_LISTENER_NONE))
		return listener;
	return dp_listener_find(l, (uint16_t)local, (rte_be16_t)port);
}

// dp_local_find of an IPv4 address, `word` as it stands in packets; *relay as in its struct
// dp_local.
static inline uint32_t dp_local_near(const struct dp_locals *l, uint32_t word, uint32_t *relay)
{
	const struct dp_local_slot *slot =
		&l->by_address.slots[dp_local_spread(word) & l->by_address.mask];

	if (likely(slot->tag == word && slot->family == TP_FAMILY_IPV4)) {
		*relay = slot->relay;
		return slot->local;
	}
	uint32_t ip = word, local = dp_local_find(l, TP_FAMILY_IPV4, (const uint8_t *)&ip);
	*relay = local != DP_LOCAL_NONE && l->locals[local].relay;
	return local;
}

static inline bool dp_local_in_relay_range(const struct dp_locals *l, rte_be16_t port)
{
	return (uint16_t)(rte_be_to_cpu_16(port) - l->port_min) <=
	       (uint16_t)(l->port_max - l->port_min);
}
