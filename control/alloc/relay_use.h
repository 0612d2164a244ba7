// SPDX-License-Identifier: BSD-3-Clause
// Which relay addresses are in use, drained or removed, and how loaded they are: the operator's
// view of the pool. What an operator takes out of use is one entry of relay.addresses, an address
// or a whole prefix; it stays out over restarts of control and of the dataplane, until it is taken
// back or the configuration has no such entry any more.
#pragma once

#include <stdbool.h>

#include "control/alloc/store.h"

enum ctl_relay_use {
	CTL_RELAY_IN_USE = 0,
	// No port is taken there any more; allocations and reservations that have one keep it.
	CTL_RELAY_DRAINED = TP_RELAY_DRAINED,
	// Control behaves as if the configuration did not have it: no port, no address of its
	// family, no peer that may be reached. The dataplane keeps it until it is restarted.
	CTL_RELAY_REMOVED = TP_RELAY_REMOVED,
};

// Ports of one or several addresses: ports = free + taken + resting + reserved.
struct ctl_relay_load {
	uint64_t ports; // of relay.port_range, those of listeners left out
	uint64_t free;  // nobody has them
	uint64_t taken; // live allocations have them
	uint64_t resting;
	uint64_t reserved; // by EVEN-PORT, nobody came for them yet
};

struct ctl_relay_view {
	struct tp_ip address, public_address;
	uint8_t prefix_bits;
	enum ctl_relay_use use;
	uint32_t addresses;
	struct ctl_relay_load load;
};

// The entry of that number, IPv4 first, else in the order of the configuration; false beyond the
// last one.
bool ctl_relay_entry(const struct ctl_store *store, uint32_t index, struct ctl_relay_view *out);
// The same for single addresses, prefixes expanded.
bool ctl_relay_single(const struct ctl_store *store, uint32_t index, struct ctl_relay_view *out);

// Whether nothing holds a port there: the entry may be removed once it is drained.
static inline bool ctl_relay_empty(const struct ctl_relay_load *load)
{
	return load->free == load->ports;
}

struct ctl_relay_totals {
	struct ctl_relay_load load; // of all addresses
	uint64_t drained_free;      // the part of load.free that is not given: drained or removed
	uint32_t addresses, drained, removed; // the last two are part of the first
};
// IPv4, IPv6.
void ctl_relay_total(const struct ctl_store *store, struct ctl_relay_totals out[2]);

// The number of the entry with exactly this address and length, or TP_INDEX_NONE.
uint32_t ctl_relay_find(const struct ctl_store *store, const struct tp_ip *address, uint8_t bits);
// The number of the entry that holds an address, in private or public form, or TP_INDEX_NONE.
uint32_t ctl_relay_holder(const struct ctl_store *store, const struct tp_ip *address);

// Changes the use of an entry, now and in the region. 0; -ENOENT no such entry; -EBUSY it is to be
// removed, but is not drained, or not empty.
int ctl_relay_set_use(struct ctl_store *store, uint32_t entry, enum ctl_relay_use use);
